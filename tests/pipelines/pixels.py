"""Pixels without a prompt, DeepFloyd IF, and what draws tokens instead of noise."""

from __future__ import annotations

from typing import Any

from diffusers import DDPMScheduler, UNet2DConditionModel, UNet2DModel, VQModel

from tests.pipelines.row import Kit, Parts, denoiser, of
from tests.pipelines.stable_diffusion import LEVELS, MASK
from tests.tiny.base import NEGATIVE, PROMPT, picture
from tests.tiny.parts import clip_text_projected, t5_text
from tests.tiny.tokenizers import clip_tokenizer, t5_tokenizer


def pixels(**config: Any) -> UNet2DModel:
    """A U-Net on pixels, or on latents, that attends at its second level."""
    types = {
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": 4,
    }
    return UNet2DModel(**{"sample_size": 16, "in_channels": 3, "out_channels": 3, **LEVELS, **types, **config})


def vq(channels: int = 4, **config: Any) -> VQModel:
    """A quantised autoencoder that halves the size."""
    return VQModel(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=channels,
        norm_num_groups=4,
        **{"num_vq_embeddings": 16, **config},
    )


def floyd(**config: Any) -> UNet2DConditionModel:
    """DeepFloyd IF's U-Net: residual blocks that change the resolution, attention with text among the keys."""
    return UNet2DConditionModel(
        **{
            "sample_size": 32,
            "in_channels": 3,
            "out_channels": 6,
            **LEVELS,
            "down_block_types": ("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
            "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
            "up_block_types": ("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
            "cross_attention_dim": 32,  # its norm fixes 32 groups
            "attention_head_dim": 4,
            "addition_embed_type": "text",
            "addition_embed_type_num_heads": 2,
            "encoder_hid_dim": 32,
            "time_embedding_type": "positional",
            "resnet_time_scale_shift": "scale_shift",
            "act_fn": "gelu",
            "cross_attention_norm": "group_norm",
            "only_cross_attention": False,
            **config,
        }
    )


def deepfloyd() -> Parts:
    """DeepFloyd IF without its safety checker."""
    return {
        "tokenizer": t5_tokenizer(),
        "text_encoder": t5_text(),
        "unet": floyd(),
        "scheduler": DDPMScheduler(variance_type="learned_range"),
        "image_noising_scheduler": DDPMScheduler(),
        "requires_safety_checker": False,
    }


def raising() -> Parts:
    """Its second stage, which is shown the first's picture and told its noise."""
    unet = floyd(in_channels=6, class_embed_type="timestep")
    return {"unet": unet}


def tokens() -> Parts:
    """Amused: a masked picture of tokens is filled in."""
    transformer = denoiser(
        "UVit2DModel",
        hidden_size=16,
        cond_embed_dim=32,
        encoder_hidden_size=32,
        micro_cond_embed_dim=5 * 4 + 0,
        micro_cond_encode_dim=4,
        sample_size=16,
    )
    return {
        "vqvae": vq(num_vq_embeddings=16, lookup_from_codebook=True),
        "tokenizer": clip_tokenizer(),
        "text_encoder": clip_text_projected(),
        "transformer": transformer,
        **of("AmusedScheduler", mask_token_id=23)(),
    }


def unconditional(**config: Any) -> Parts:
    """A U-Net on pixels and the scheduler of diffusion as it began."""
    return {"unet": pixels(**config), **of("DDIMScheduler")()}


CALL: dict[str, Any] = {
    "prompt": PROMPT,
    "negative_prompt": NEGATIVE,
    "guidance_scale": 4.0,
    "image": picture(),
    "original_image": picture(),
    "mask_image": MASK,
    "strength": 0.75,
    "clean_caption": False,
}
PIXELS = Kit(unconditional, {})
LATENTS = Kit(lambda: {**unconditional(in_channels=4, out_channels=4), "vqvae": vq()}, {})
FLOYD = Kit(deepfloyd, CALL)
TOKENS = Kit(tokens, CALL)
FULL = {"strength": 1.0}
ONE_LEVEL = {"timesteps": [22, 15, 8, 0]}

ROWS = (
    PIXELS.row("DDPMPipeline", parts=of("DDPMScheduler")),
    PIXELS.row("DDIMPipeline"),
    PIXELS.row("PNDMPipeline", parts=of("PNDMScheduler")),
    PIXELS.row("ConsistencyModelPipeline", parts=of("CMStochasticIterativeScheduler", num_train_timesteps=40)),
    PIXELS.row("ScoreSdeVePipeline", parts=of("ScoreSdeVeScheduler", sigma_max=1.0)),
    PIXELS.row("KarrasVePipeline", parts=of("KarrasVeScheduler", sigma_max=1.0)),
    PIXELS.row(
        "RePaintPipeline",
        {"image": picture(), "mask_image": MASK, "jump_length": 2, "jump_n_sample": 2},
        parts=lambda: {"unet": pixels(sample_size=32), **of("RePaintScheduler")()},
    ),
    LATENTS.row("LDMPipeline"),
    LATENTS.row(
        "LDMSuperResolutionPipeline",
        {"image": picture()},
        parts=lambda: {"unet": pixels(in_channels=6), "vqvae": vq(3)},
    ),
    FLOYD.row("IFPipeline", {"height": 32, "width": 32}),
    FLOYD.row("IFImg2ImgPipeline", late=1),
    FLOYD.row("IFInpaintingPipeline", late=1),
    FLOYD.row("IFSuperResolutionPipeline", {"height": 32, "width": 32}, parts=raising),
    FLOYD.row("IFImg2ImgSuperResolutionPipeline", parts=raising, late=1),
    FLOYD.row("IFInpaintingSuperResolutionPipeline", parts=raising, late=1),
    TOKENS.row("AmusedPipeline", {"height": 32, "width": 32}),
    TOKENS.row("AmusedImg2ImgPipeline"),  # its model is not told the time, so that nobody sees that it starts late
    TOKENS.row("AmusedInpaintPipeline", FULL),
)
