"""Kandinsky 5 for images, made to paint small ones."""

from __future__ import annotations

import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from tests.matrix.recipe import normal
from tests.pipelines.row import Kit, denoiser
from tests.pipelines.stand_ins import has
from tests.tiny.base import picture
from tests.tiny.parts import image_vae

TOLD = {"prompt_embeds_qwen": normal(1, 6, 12), "prompt_embeds_clip": normal(1, 8)}
KIT = Kit(
    lambda: {
        "transformer": denoiser("Kandinsky5Transformer3DModel"),
        "vae": image_vae(levels=4),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=5.0),
    },
    {
        **TOLD,
        **{f"negative_{name}": -value for name, value in TOLD.items()},
        "prompt_cu_seqlens": torch.tensor([0, 6]),
        "negative_prompt_cu_seqlens": torch.tensor([0, 6]),
        "guidance_scale": 4.0,
        "height": 64,
        "width": 64,
    },
)
SMALL = has(resolutions=[(64, 64)])

ROWS = (
    KIT.row("Kandinsky5T2IPipeline", after=SMALL),
    KIT.row(
        "Kandinsky5I2IPipeline",
        {"image": picture()},
        parts=lambda: {"transformer": denoiser("Kandinsky5Transformer3DModel", visual_cond=True)},
        after=SMALL,
    ),
)
