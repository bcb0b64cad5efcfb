"""Stable Diffusion 3."""

from __future__ import annotations

import functools
from typing import Any

from diffusers import SD3ControlNetModel, SD3Transformer2DModel

from tests.pipelines.row import Kit, Parts
from tests.pipelines.stable_diffusion import CALL, MASK
from tests.tiny.image_dit import build_sd3
from tests.tiny.parts import image_vae
from tests.tiny.tokenizers import MAX_LENGTH


def parts() -> Parts:
    """The tiny pipeline's."""
    return dict(build_sd3().components)


WIDTHS: dict[str, Any] = {
    "sample_size": 16,
    "num_layers": 2,
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "joint_attention_dim": 32,
    "caption_projection_dim": 32,
    "pooled_projection_dim": 32,
    "pos_embed_max_size": 16,
}


def controlnet(extra: int = 0) -> Parts:
    """A ControlNet of two blocks, which may be shown a mask besides."""
    return {"controlnet": SD3ControlNetModel(in_channels=4, **WIDTHS, extra_conditioning_channels=extra)}


@functools.cache
def plain() -> Parts:
    """As Stable Diffusion 3 was, before blocks attended twice: 16 channels."""
    transformer = SD3Transformer2DModel(in_channels=16, out_channels=16, **WIDTHS)
    return {"transformer": transformer, "vae": image_vae(latent_channels=16, shift_factor=0.1)}


KIT = Kit(parts, {**CALL, "control_mask": MASK, "max_sequence_length": MAX_LENGTH})
row = KIT.row
PERTURBED = {"pag_scale": 2.0}

ROWS = (
    row("StableDiffusion3Pipeline"),
    row(
        "StableDiffusion3Pipeline",
        {"skip_guidance_layers": [1], "skip_layer_guidance_start": 0.0, "skip_layer_guidance_stop": 0.6},
        variant="skips-layers",
    ),
    row("StableDiffusion3Img2ImgPipeline", late=1),
    row("StableDiffusion3InpaintPipeline", parts=plain, late=1),
    row("StableDiffusion3ControlNetPipeline", parts=controlnet),
    row("StableDiffusion3ControlNetInpaintingPipeline", parts=lambda: controlnet(1)),
    row("StableDiffusion3PAGPipeline", PERTURBED, parts=plain),
    row("StableDiffusion3PAGImg2ImgPipeline", PERTURBED, parts=plain, late=1),
)
