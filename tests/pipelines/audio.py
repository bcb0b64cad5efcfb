"""Sound and music."""

from __future__ import annotations

from typing import Any

from diffusers import AutoencoderOobleck, EDMDPMSolverMultistepScheduler, UNet2DConditionModel
from diffusers.pipelines.stable_audio import StableAudioProjectionModel
from transformers import (
    ClapTextConfig,
    ClapTextModelWithProjection,
    RobertaTokenizer,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
)

from tests.pipelines.row import Kit, Parts, denoiser, of, plain
from tests.pipelines.stable_diffusion import BETAS, LEVELS
from tests.tiny.base import NEGATIVE, PROMPT
from tests.tiny.parts import image_vae, t5_text
from tests.tiny.tokenizers import LETTERS, t5_tokenizer


def letters() -> RobertaTokenizer:
    """Letters as tokens."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "\u0120", *LETTERS]
    return RobertaTokenizer(vocab={piece: index for index, piece in enumerate(pieces)}, merges=[], model_max_length=16)


def clap() -> ClapTextModelWithProjection:
    """Reads a prompt as one vector."""
    config = ClapTextConfig(
        vocab_size=len(letters()),
        hidden_size=16,
        intermediate_size=32,
        projection_dim=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=32,
        pad_token_id=1,
    )
    return ClapTextModelWithProjection(config)


def vocoder() -> SpeechT5HifiGan:
    """Makes sound of a spectrogram of eight bands."""
    config = SpeechT5HifiGanConfig(
        model_in_dim=8,
        sampling_rate=16000,
        upsample_initial_channel=16,
        upsample_rates=[2, 2],
        upsample_kernel_sizes=[4, 4],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1]],
        normalize_before=False,
    )
    return SpeechT5HifiGan(config)


def spectrograms() -> Parts:
    """AudioLDM: the U-Net of Stable Diffusion on spectrograms, told the prompt as a class."""
    unet = UNet2DConditionModel(
        sample_size=(32, 4),
        in_channels=4,
        out_channels=4,
        **LEVELS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=(8, 16),
        attention_head_dim=2,
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=16,
        class_embeddings_concat=True,
    )
    vae = image_vae()
    return {
        "vae": type(vae)(**{**plain(vae.config), "in_channels": 1, "out_channels": 1}),
        "text_encoder": clap(),
        "tokenizer": letters(),
        "unet": unet,
        "vocoder": vocoder(),
        **of("DDIMScheduler", **BETAS, clip_sample=False)(),
    }


def waves() -> Parts:
    """Stable Audio."""
    return {
        "vae": AutoencoderOobleck(
            encoder_hidden_size=4,
            downsampling_ratios=[2, 4],
            decoder_channels=4,
            decoder_input_channels=8,
            audio_channels=2,
            channel_multiples=[1, 2],
            sampling_rate=64,
        ),
        "text_encoder": t5_text(width=12),
        "projection_model": StableAudioProjectionModel(
            text_encoder_dim=12, conditioning_dim=12, min_value=0, max_value=32
        ),
        "tokenizer": t5_tokenizer(),
        "transformer": denoiser(
            "StableAudioDiTModel", sample_size=16, global_states_input_dim=24, cross_attention_input_dim=12
        ),
        "scheduler": EDMDPMSolverMultistepScheduler(solver_order=2, prediction_type="v_prediction"),
    }


def quieten(pipe: Any) -> None:
    """Let noise not drown out what the last layer makes of it: the pipeline cuts off what is too loud."""
    for parameter in pipe.unet.up_blocks[-1].resnets[-1].parameters():
        parameter.data *= 0.1


CALL: dict[str, Any] = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "guidance_scale": 3.0}
SPECTROGRAMS = Kit(spectrograms, {**CALL, "audio_length_in_s": 0.016})
WAVES = Kit(waves, {**CALL, "output_type": "pt", "audio_end_in_s": 2.0})
RAW = Kit(
    lambda: {"unet": denoiser("UNet1DModel", sample_size=64, sample_rate=64), **of("IPNDMScheduler")()},
    {"audio_length_in_s": 1.0},
)

ROWS = (
    SPECTROGRAMS.row("AudioLDMPipeline"),
    WAVES.row("StableAudioPipeline"),
    RAW.row("DanceDiffusionPipeline", after=quieten),
)
