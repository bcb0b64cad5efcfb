"""Qwen-Image that edits, and that is shown what to keep."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import QwenImageControlNetModel

from tests.matrix.recipe import normal
from tests.pipelines.row import Parts, denoiser
from tests.pipelines.sequence_images import QWENIMAGE, qwen_control
from tests.pipelines.stable_diffusion import MASK
from tests.pipelines.stand_ins import Thumbnails, says
from tests.tiny.base import picture

TOLD = normal(1, 6, 32)
EDITS = {
    "prompt_embeds": TOLD,
    "prompt_embeds_mask": torch.ones(1, 6),
    "negative_prompt_embeds": -TOLD[:, :4],
    "negative_prompt_embeds_mask": torch.ones(1, 4),
    "guidance_scale": None,
    "height": 512,
    "width": 512,
}
LAYERS = {**{name: value for name, value in EDITS.items() if name not in ("height", "width")}, "layers": 2}
READ = ("prompt", "negative_prompt")


def megapixel() -> Parts:
    """Pictures that are edited are made a megapixel large: 8 by 8 latents here."""
    return {"vae": Thumbnails(levels=7)}


def layered() -> Parts:
    """Told whether a layer has an alpha channel; positions count layers."""
    config = {"use_additional_t_cond": True, "use_layer3d_rope": True}
    transformer = denoiser(
        "QwenImageTransformer2DModel", in_channels=64, out_channels=16, joint_attention_dim=32, **config
    )
    return {"vae": Thumbnails(levels=6), "transformer": transformer}


def masked_control() -> Parts:
    """A ControlNet that is shown a mask besides the picture."""
    config = {name: value for name, value in qwen_control()["controlnet"].config.items() if not name.startswith("_")}
    return {"controlnet": QwenImageControlNetModel(**{**config, "extra_condition_channels": 4})}


def caption(*_: Any, **__: Any) -> str:
    """What its reader says of the picture, if there is no prompt."""
    return "a fox"


row = QWENIMAGE.row

ROWS = (
    row("QwenImageControlNetInpaintPipeline", {"control_mask": MASK}, parts=masked_control),
    row("QwenImageEditPipeline", EDITS, parts=megapixel, without=READ),
    row("QwenImageEditPlusPipeline", {**EDITS, "image": [picture()] * 2}, parts=megapixel, without=READ),
    row("QwenImageEditInpaintPipeline", EDITS, parts=megapixel, without=READ, late=1),
    row("QwenImageLayeredPipeline", LAYERS, parts=layered, without=READ, after=says(get_image_caption=caption)),
)
