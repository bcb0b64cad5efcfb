"""Stable Diffusion 3."""

from __future__ import annotations

import functools

from diffusers import SD3ControlNetModel

from tests.pipelines.row import Kit, Parts
from tests.pipelines.stable_diffusion import MASK
from tests.tiny.base import NEGATIVE, PROMPT, picture
from tests.tiny.image_dit import build_sd3
from tests.tiny.tokenizers import MAX_LENGTH


def parts() -> Parts:
    """The tiny pipeline's."""
    return dict(build_sd3().components)


@functools.cache
def controlnet() -> Parts:
    """A ControlNet of two blocks."""
    net = SD3ControlNetModel(
        sample_size=16,
        in_channels=4,
        num_layers=2,
        num_attention_heads=2,
        attention_head_dim=16,
        joint_attention_dim=32,
        caption_projection_dim=32,
        pooled_projection_dim=32,
        out_channels=4,
        pos_embed_max_size=16,
    )
    return {"controlnet": net}


@functools.cache
def inpainting() -> Parts:
    """One that is shown a mask besides."""
    return {"controlnet": SD3ControlNetModel.from_config({**controlnet()["controlnet"].config, "extra_conditioning_channels": 1})}


KIT = Kit(
    parts,
    {
        "prompt": PROMPT,
        "negative_prompt": NEGATIVE,
        "guidance_scale": 4.0,
        "image": picture(),
        "mask_image": MASK,
        "control_image": picture(),
        "control_mask": MASK,
        "strength": 0.75,
        "max_sequence_length": MAX_LENGTH,
        "height": 32,
        "width": 32,
    },
)
row = KIT.row
PERTURBED = {"pag_scale": 2.0}

ROWS = (
    row("StableDiffusion3Pipeline"),
    row(
        "StableDiffusion3Pipeline",
        {"skip_guidance_layers": [1], "skip_layer_guidance_start": 0.0, "skip_layer_guidance_stop": 0.6},
        variant="skips-layers",
    ),
    row("StableDiffusion3Img2ImgPipeline", late=True),
    row("StableDiffusion3InpaintPipeline", late=True),
    row("StableDiffusion3ControlNetPipeline", parts=controlnet),
    row("StableDiffusion3ControlNetInpaintingPipeline", parts=inpainting),
    row("StableDiffusion3PAGPipeline", PERTURBED),
    row("StableDiffusion3PAGImg2ImgPipeline", PERTURBED, late=True),
)
