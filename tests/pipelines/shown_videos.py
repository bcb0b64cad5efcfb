"""Videos that are shown a picture, a mask or another video: on the parts of those that are told a prompt alone."""

from __future__ import annotations

import copy
from typing import Any

import torch
from diffusers import EasyAnimateTransformer3DModel, HunyuanVideoTransformer3DModel

from tests.matrix.recipe import normal
from tests.pipelines.row import Parts, plain
from tests.pipelines.stand_ins import says
from tests.pipelines.videos import EASYANIMATE, HUNYUAN
from tests.tiny.base import picture

FRAMES = torch.linspace(0, 1, 3 * 9 * 32 * 32).reshape(1, 3, 9, 32, 32)
HALF = (torch.arange(32) > 15).float().expand(1, 1, 9, 32, 32) * 255
TOLD = {
    "prompt_embeds": normal(1, 6, 32),
    "pooled_prompt_embeds": normal(1, 32),
    "prompt_attention_mask": torch.ones(1, 6),
}


def wider(channels: int) -> Parts:
    """A transformer of EasyAnimate that takes in more than latents."""
    config = plain(EASYANIMATE.parts()["transformer"].config)
    vae = copy.deepcopy(EASYANIMATE.parts()["vae"])
    vae.register_to_config(cache_mag_vae=True)  # as their checkpoints say
    return {"transformer": EasyAnimateTransformer3DModel(**{**config, "in_channels": channels}), "vae": vae}


def read(pipe: Any, **_: Any) -> Any:
    """EasyAnimate with control: its own method does not take what the pipeline calls it with."""
    return normal(1, 6, 32), -normal(1, 6, 32), torch.ones(1, 6), torch.ones(1, 6)


def from_picture(kind: str, channels: int) -> Parts:
    """A transformer of HunyuanVideo that is shown a picture."""
    config = plain(HUNYUAN.parts()["transformer"].config)
    shown = {"in_channels": channels, "image_condition_type": kind}
    return {"transformer": HunyuanVideoTransformer3DModel(**{**config, **shown})}


ROWS = (
    EASYANIMATE.row(
        "EasyAnimateControlPipeline",
        {"control_video": FRAMES, "output_type": "latent"},
        parts=lambda: wider(12),
        after=says(encode_prompt=read),
    ),
    EASYANIMATE.row(
        "EasyAnimateInpaintPipeline", {"video": FRAMES, "mask_video": HALF}, parts=lambda: wider(9), late=1
    ),
    HUNYUAN.row(
        "HunyuanVideoImageToVideoPipeline",
        {**TOLD, "image": picture()},
        without=("prompt", "negative_prompt", "prompt_template"),
        parts=lambda: from_picture("latent_concat", 9),
    ),
    HUNYUAN.row(
        "HunyuanVideoImageToVideoPipeline",
        {**TOLD, "image": picture()},
        without=("prompt", "negative_prompt", "prompt_template"),
        parts=lambda: from_picture("token_replace", 4),
        variant="first-frame",
    ),
)
