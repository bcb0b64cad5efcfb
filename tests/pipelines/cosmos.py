"""Cosmos 2.5, with a ControlNet and chunk after chunk; and Cosmos 3, where text, video and sound are one sequence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from diffusers import CosmosControlNetModel, UniPCMultistepScheduler
from diffusers.models.autoencoders.autoencoder_cosmos3_audio import Cosmos3AVAEAudioTokenizer
from diffusers.models.controlnets import controlnet_cosmos
from torch.nn.functional import interpolate
from transformers import Qwen2Tokenizer

from tests.pipelines.row import Kit, Parts, denoiser, plain
from tests.pipelines.videos import CALL, FRAMES, TOLD, cosmos_transformer, silent
from tests.tiny.base import NEGATIVE, PROMPT
from tests.tiny.tokenizers import qwen_tokenizer
from tests.tiny.video_dit import wan_vae


class ControlNet(CosmosControlNetModel):
    """A ControlNet that resizes its mask by torch: diffusers' own needs torchvision."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run with a stand-in for what is not imported where torchvision is not installed."""
        nearest = SimpleNamespace(NEAREST="nearest")
        functional = SimpleNamespace(resize=lambda mask, size, interpolation: interpolate(mask, size))
        transforms = SimpleNamespace(functional=functional, InterpolationMode=nearest)
        with patch.object(controlnet_cosmos, "transforms", transforms, create=True):
            return super().forward(*args, **kwargs)


def flow() -> UniPCMultistepScheduler:
    """Return the scheduler of Cosmos 2.5 and 3."""
    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)


def cosmos25() -> Parts:
    """Return the parts of Cosmos 2.5."""
    return {
        "vae": wan_vae(),
        "transformer": cosmos_transformer(17, 16),
        "scheduler": flow(),
        "safety_checker": silent(),
    }


def controlled() -> Parts:
    """Return a transformer that a ControlNet tells of, block by block."""
    width = {"model_channels": 24, "num_attention_heads": 2, "attention_head_dim": 12, "text_embed_dim": 32}
    net = ControlNet(n_controlnet_blocks=2, in_channels=18, latent_channels=18, **width, mlp_ratio=2, adaln_lora_dim=4)
    config = plain(cosmos_transformer(17, 16).config)
    told = denoiser("CosmosTransformer3DModel", **{**config, "controlnet_block_every_n": 1})
    return {"controlnet": net, "transformer": told}


def tokenizer() -> Qwen2Tokenizer:
    """Return a tokenizer of bytes that lays out nothing but what was said."""
    made = qwen_tokenizer()
    made.add_special_tokens({"additional_special_tokens": ["<|vision_start|>"]})
    made.chat_template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    return made


def cosmos3() -> Parts:
    """Return the parts of Cosmos 3, the sound's decoder among them."""
    reader = tokenizer()
    return {
        "text_tokenizer": reader,
        "transformer": denoiser(
            "Cosmos3OmniTransformer",
            vocab_size=len(reader),
            latent_channel=16,
            patch_latent_dim=16,
            sound_gen=True,
            sound_dim=4,
        ),
        "vae": wan_vae(),
        "scheduler": flow(),
        "sound_tokenizer": Cosmos3AVAEAudioTokenizer(
            sampling_rate=64,
            vocoder_input_dim=4,
            dec_dim=4,
            dec_c_mults=(1, 2),
            dec_strides=(2, 2),
            encoder_enabled=False,
        ),
        "enable_safety_checker": False,
        "default_use_system_prompt": False,
    }


COSMOS25 = Kit(cosmos25, {**CALL, **TOLD})
COSMOS3 = Kit(
    cosmos3,
    {
        **CALL,
        "prompt": PROMPT,
        "negative_prompt": NEGATIVE,
        "add_resolution_template": False,
        "add_duration_template": False,
    },
)
CHUNKS = {
    "guidance_scale": 1.0,
    "controls": FRAMES,
    "num_frames": 9,
    "num_frames_per_chunk": 5,
    "num_ar_conditional_frames": 1,
}


ROWS = (
    COSMOS25.row("Cosmos2_5_PredictBasePipeline", without=("image", "video")),
    COSMOS25.row("Cosmos2_5_PredictBasePipeline", without=("image",), variant="from-a-video"),
    COSMOS25.row("Cosmos2_5_TransferPipeline", CHUNKS, parts=controlled),
    COSMOS3.row("Cosmos3OmniPipeline", without=("image", "video")),
    COSMOS3.row(
        "Cosmos3OmniPipeline",
        {"enable_sound": True},
        without=("video",),
        variant="sound-for-a-picture",
    ),
)
