"""Video pipelines in full size, without weights: the classes and sizes of the published ones, on the meta device.

Sizes are those of the published configs, as far as they are public; where they are not known exactly, the number of
parameters decides, and the name says so. Tokenizers are of letters: what is held does not depend on the words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import diffusers as d
import torch
import transformers as t
from PIL import Image

from benchmarks.memory.parts import clip_text, sd_vae, t5
from tests.tiny import tokenizers

PROMPT = "a red fox"


@dataclass(frozen=True)
class FullSize:
    """A pipeline in full size.

    Attributes:
        name: what it is.
        parts: builds its components, on the device at hand; what must not be there is a function that builds it.
        pipeline: its class.
        call: arguments of the call.
        dtype: of its weights.
        policies: caching schedules that it is estimated under.
        options: further arguments of the pipeline's class.
    """

    name: str
    pipeline: type
    parts: Callable[[], dict[str, Any]]
    call: dict[str, Any]
    dtype: torch.dtype
    policies: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)

    def build(self, device: str = "meta") -> Any:
        """The pipeline, its weights as modules draw them."""
        with torch.device(device):
            made = self.parts()
        parts = {name: part() if isinstance(part, FunctionType) else part for name, part in made.items()}
        for part in parts.values():
            if isinstance(part, torch.nn.Module):
                part.to(device, self.dtype).eval().requires_grad_(False)
        pipe = self.pipeline(**parts, **self.options)
        pipe.set_progress_bar_config(disable=True)
        return pipe


def animatediff() -> dict[str, Any]:
    """AnimateDiff-Lightning: SD1.5 with motion modules, distilled to 4 steps without guidance."""
    return {
        "vae": sd_vae(),
        "text_encoder": clip_text(),
        "tokenizer": tokenizers.clip_tokenizer(),
        "unet": d.UNetMotionModel(sample_size=64, cross_attention_dim=768, motion_max_seq_length=32),
        "motion_adapter": d.MotionAdapter(motion_max_seq_length=32),
        "scheduler": lambda: d.EulerDiscreteScheduler(timestep_spacing="trailing", beta_schedule="linear"),
    }


def svd() -> dict[str, Any]:
    """Stable Video Diffusion img2vid-XT."""
    vision = t.CLIPVisionConfig(
        hidden_size=1280,
        intermediate_size=5120,
        num_hidden_layers=32,
        num_attention_heads=16,
        image_size=224,
        patch_size=14,
        projection_dim=1024,
        hidden_act="gelu",
    )
    vae = d.AutoencoderKLTemporalDecoder(
        down_block_types=("DownEncoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        sample_size=768,
    )
    return {
        "vae": vae,
        "image_encoder": t.CLIPVisionModelWithProjection(vision),
        "unet": d.UNetSpatioTemporalConditionModel(sample_size=96, num_frames=25),
        "scheduler": lambda: d.EulerDiscreteScheduler(
            prediction_type="v_prediction",
            use_karras_sigmas=True,
            sigma_min=0.002,
            sigma_max=700.0,
            timestep_type="continuous",
        ),
        "feature_extractor": t.CLIPImageProcessor(),
    }


def text_to_video_sd() -> dict[str, Any]:
    """ModelScope's text-to-video, 1.7B."""
    return {
        "vae": sd_vae(),
        "text_encoder": clip_text(1024, 23),
        "tokenizer": tokenizers.clip_tokenizer(),
        "unet": d.UNet3DConditionModel(sample_size=32, cross_attention_dim=1024, attention_head_dim=64),
        "scheduler": lambda: d.DDIMScheduler(),
    }


def cogvideox() -> dict[str, Any]:
    """CogVideoX-5B."""
    transformer = d.CogVideoXTransformer3DModel(
        num_attention_heads=48,
        attention_head_dim=64,
        num_layers=42,
        use_rotary_positional_embeddings=True,
        sample_width=90,
        sample_height=60,
        sample_frames=49,
        max_text_seq_length=226,
    )
    return {
        "tokenizer": tokenizers.t5_tokenizer(),
        "text_encoder": t5(),
        "vae": d.AutoencoderKLCogVideoX(
            down_block_types=("CogVideoXDownBlock3D",) * 4,
            up_block_types=("CogVideoXUpBlock3D",) * 4,
            block_out_channels=(128, 256, 256, 512),
            layers_per_block=3,
            latent_channels=16,
        ),
        "transformer": transformer,
        "scheduler": lambda: d.CogVideoXDDIMScheduler(),
    }


def wan(heads: int, layers: int, inner: int) -> Callable[[], dict[str, Any]]:
    """Wan 2.1."""

    def parts() -> dict[str, Any]:
        return {
            "tokenizer": tokenizers.t5_tokenizer(),
            "text_encoder": t5(vocabulary=256384, umt5=True),
            "transformer": d.WanTransformer3DModel(
                num_attention_heads=heads, attention_head_dim=128, num_layers=layers, ffn_dim=inner
            ),
            "vae": d.AutoencoderKLWan(),
            "scheduler": lambda: d.UniPCMultistepScheduler(
                prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
            ),
        }

    return parts


def hunyuan_video() -> dict[str, Any]:
    """HunyuanVideo, 13B."""
    llama = t.LlamaConfig(
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        vocab_size=128320,
    )
    return {
        "text_encoder": t.LlamaModel(llama),
        "tokenizer": tokenizers.llama_tokenizer(),
        "transformer": d.HunyuanVideoTransformer3DModel(),
        "vae": d.AutoencoderKLHunyuanVideo(),
        "scheduler": lambda: d.FlowMatchEulerDiscreteScheduler(shift=7.0),
        "text_encoder_2": clip_text(),
        "tokenizer_2": tokenizers.clip_tokenizer(),
    }


def easyanimate() -> dict[str, Any]:
    """EasyAnimate 5.1, 7B: as many blocks, of the width of the 12B model, as come to 7 billion parameters."""
    transformer = d.EasyAnimateTransformer3DModel(
        in_channels=16,
        out_channels=16,
        patch_size=2,
        num_layers=30,
        mmdit_layers=30,
        add_norm_text_encoder=True,
        text_embed_dim=3584,
    )
    text = {
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
        "rope_parameters": {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6},
    }
    vision = {"depth": 32, "embed_dim": 1280, "hidden_size": 3584, "num_heads": 16}
    return {
        "vae": d.AutoencoderKLMagvit(),
        "text_encoder": t.Qwen2VLForConditionalGeneration(t.Qwen2VLConfig(text_config=text, vision_config=vision)),
        "tokenizer": tokenizers.qwen_tokenizer(),
        "transformer": transformer,
        "scheduler": lambda: d.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
    }


MODELS = {
    model.name: model
    for model in (
        FullSize(
            "AnimateDiff-Lightning 512x512x16",
            d.AnimateDiffPipeline,
            animatediff,
            {"prompt": PROMPT, "num_frames": 16, "height": 512, "width": 512, "num_inference_steps": 4,
             "guidance_scale": 1.0},
            torch.float16,
            ("deepcache:2", "fora:2"),
        ),
        FullSize(
            "SVD-XT 1024x576x25",
            d.StableVideoDiffusionPipeline,
            svd,
            {"image": Image.new("RGB", (1024, 576)), "num_frames": 25, "height": 576, "width": 1024,
             "num_inference_steps": 25, "decode_chunk_size": 8},  # as its documentation advises
            torch.float16,
            ("deepcache:3", "deepcache:5"),
        ),
        FullSize(
            "text-to-video-SD 256x256x16",
            d.TextToVideoSDPipeline,
            text_to_video_sd,
            {"prompt": PROMPT, "num_frames": 16, "height": 256, "width": 256, "num_inference_steps": 25},
            torch.float16,
            ("deepcache:3",),
        ),
        FullSize(
            "EasyAnimate-7B 512x512x49",
            d.EasyAnimatePipeline,
            easyanimate,
            {"prompt": PROMPT, "negative_prompt": "", "num_frames": 49, "height": 512, "width": 512,
             "num_inference_steps": 50},
            torch.bfloat16,
            ("fora:2",),
        ),
        FullSize(
            "CogVideoX-5B 720x480x49",
            d.CogVideoXPipeline,
            cogvideox,
            {"prompt": PROMPT, "num_frames": 49, "height": 480, "width": 720, "num_inference_steps": 50},
            torch.bfloat16,
            ("fora:2",),
        ),
        FullSize(
            "Wan2.1-1.3B 832x480x81",
            d.WanPipeline,
            wan(12, 30, 8960),
            {"prompt": PROMPT, "num_frames": 81, "height": 480, "width": 832, "num_inference_steps": 50},
            torch.bfloat16,
            ("fora:2",),
        ),
        FullSize(
            "Wan2.1-14B 1280x720x81",
            d.WanPipeline,
            wan(40, 40, 13824),
            {"prompt": PROMPT, "num_frames": 81, "height": 720, "width": 1280, "num_inference_steps": 50},
            torch.bfloat16,
            ("fora:2",),
        ),
        FullSize(
            "HunyuanVideo 1280x720x129",
            d.HunyuanVideoPipeline,
            hunyuan_video,
            {"prompt": PROMPT, "num_frames": 129, "height": 720, "width": 1280, "num_inference_steps": 50},
            torch.bfloat16,
            ("fora:2",),
        ),
    )
}  # fmt: skip
