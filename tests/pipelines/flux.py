"""FLUX.1, and Chroma, which is made of it."""

from __future__ import annotations

import functools
from typing import Any

from diffusers import (
    ChromaTransformer2DModel,
    FlowMatchEulerDiscreteScheduler,
    FluxControlNetModel,
    FluxTransformer2DModel,
)

from tests.pipelines.row import Kit, Parts
from tests.pipelines.stable_diffusion import MASK
from tests.tiny.base import NEGATIVE, PROMPT, picture
from tests.tiny.flux import build_flux
from tests.tiny.tokenizers import MAX_LENGTH

WIDTHS: dict[str, Any] = {
    "num_layers": 2,
    "num_single_layers": 3,
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "joint_attention_dim": 32,
    "axes_dims_rope": (4, 6, 6),
}
GUIDED = {"pooled_projection_dim": 32, "guidance_embeds": True}


def parts() -> Parts:
    """The tiny pipeline's."""
    return dict(build_flux().components)


def channels(count: int) -> Any:
    """A transformer that takes in other channels besides those of the latents."""
    return lambda: {"transformer": FluxTransformer2DModel(in_channels=count, out_channels=16, **WIDTHS, **GUIDED)}


@functools.cache
def controlnet() -> Parts:
    """A ControlNet of one block of each kind."""
    return {
        "controlnet": FluxControlNetModel(
            in_channels=16, **{**WIDTHS, "num_layers": 1, "num_single_layers": 1}, **GUIDED
        )
    }


def by_example() -> Parts:
    """Fills in the missing picture of a grid."""
    return {**channels(16 + 16 + 16)(), "resolution": 32}


def chroma() -> Parts:
    """Guidance is not embedded; a network of its own approximates all modulations."""
    transformer = ChromaTransformer2DModel(
        in_channels=16,
        **WIDTHS,
        approximator_num_channels=16,
        approximator_hidden_dim=32,
        approximator_layers=1,
    )
    flux = KIT.parts()
    text = {"text_encoder": flux["text_encoder_2"], "tokenizer": flux["tokenizer_2"]}
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    return {"transformer": transformer, "vae": flux["vae"], "scheduler": scheduler, **text}


def says_that_guidance_is_not_embedded(pipe: Any) -> None:
    """The pipeline asks, and the model of this diffusers does not know."""
    pipe.transformer.register_to_config(guidance_embeds=False)


CALL = {
    "prompt": PROMPT,
    "guidance_scale": 3.5,
    "image": picture(),
    "mask_image": MASK,
    "control_image": picture(),
    "strength": 0.75,
    "max_sequence_length": MAX_LENGTH,
    "height": 32,
    "width": 32,
    "max_area": 1024,
    "_auto_resize": False,
}
KIT = Kit(parts, CALL)
CHROMA = Kit(chroma, {**CALL, "negative_prompt": NEGATIVE})
row = KIT.row
EXAMPLE = [picture(), picture().rotate(90)]
BY_EXAMPLE = {"task_prompt": "turn it", "content_prompt": PROMPT, "image": [EXAMPLE, [picture(), None]]}
SEQUENTIAL = {"true_cfg_scale": 2.0, "negative_prompt": NEGATIVE}

ROWS = (
    row("FluxPipeline"),
    row("FluxPipeline", SEQUENTIAL, variant="guided-twice"),
    row("FluxImg2ImgPipeline", late=1),
    row("FluxInpaintPipeline", late=1),
    row("FluxControlPipeline", parts=channels(32)),
    row("FluxControlImg2ImgPipeline", parts=channels(32), late=1),
    row("FluxControlInpaintPipeline", parts=channels(32), late=1),
    row("FluxControlNetPipeline", parts=controlnet),
    row("FluxControlNetPipeline", SEQUENTIAL, parts=controlnet, variant="guided-twice"),
    row("FluxControlNetImg2ImgPipeline", parts=controlnet, late=1),
    row("FluxControlNetInpaintPipeline", parts=controlnet, late=1),
    row("FluxFillPipeline", {"strength": 1.0}, parts=channels(16 + 16 + 16)),
    row("FluxKontextPipeline"),
    row("FluxKontextPipeline", SEQUENTIAL, variant="guided-twice"),
    row("FluxKontextInpaintPipeline", late=1),
    row("VisualClozeGenerationPipeline", BY_EXAMPLE, parts=by_example),
    row(
        "VisualClozePipeline",
        {**BY_EXAMPLE, "upsampling_height": 32, "upsampling_width": 32},
        parts=by_example,
    ),
    CHROMA.row("ChromaPipeline"),
    CHROMA.row("ChromaImg2ImgPipeline", late=1),
    CHROMA.row("ChromaInpaintPipeline", after=says_that_guidance_is_not_embedded, late=1),
)
