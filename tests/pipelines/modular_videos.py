"""Modular pipelines of videos."""

from __future__ import annotations

from typing import Any

from diffusers import HeliosDMDScheduler

from tests.pipelines.guided_videos import HUNYUAN15
from tests.pipelines.long_videos import helios, pyramid
from tests.pipelines.modular import row
from tests.pipelines.row import Parts
from tests.pipelines.videos import FRAMES, LTX, MASK, WAN, WAN_TOLD, vace, wan22, wan22_from_image, wan_from_image
from tests.tiny.base import NEGATIVE, PROMPT, picture
from tests.tiny.tokenizers import MAX_LENGTH

FILM = {"output": ("videos",)}
SAID: dict[str, Any] = {
    "prompt": PROMPT,
    "negative_prompt": NEGATIVE,
    "max_sequence_length": MAX_LENGTH,
    "height": 32,
    "width": 32,
    "num_frames": 9,
}
TOLD = {name: value for name, value in WAN_TOLD.call.items() if name not in ("image", "video")}
READ = ("text_encoder",)
CHUNKS = {"num_latent_frames_per_chunk": 2, "history_sizes": [4, 2, 1]}
LARGE = {"height": 64, "width": 64, "num_frames": 5, "pyramid_num_inference_steps_list": [2, 2]}
WAN_PARTS = WAN.parts


def two_vaces() -> Parts:
    """Return one transformer for each half, both controlled by a video."""
    return {**vace(), "transformer_2": vace()["transformer"]}


def distilled() -> Parts:
    """Return what makes each chunk at half the resolution first, in few steps."""
    scheduler = HeliosDMDScheduler(stages=2, stage_range=[0, 0.5, 1], gamma=0.25)
    return {**pyramid(), "scheduler": scheduler}


ROWS = (
    row("WanModularPipeline", WAN_PARTS, TOLD, without=READ, **FILM),
    row("Wan22ModularPipeline", WAN_PARTS, TOLD, own=wan22, without=READ, **FILM),
    row(
        "WanImage2VideoModularPipeline",
        WAN_PARTS,
        {**TOLD, "image": picture()},
        own=wan_from_image,
        without=READ,
        **FILM,
    ),
    row(
        "Wan22Image2VideoModularPipeline",
        WAN_PARTS,
        {**TOLD, "image": picture()},
        own=wan22_from_image,
        without=READ,
        **FILM,
    ),
    row(
        "Wan22VaceModularPipeline",
        WAN_PARTS,
        {**TOLD, "video": FRAMES, "mask": [MASK] * 9},
        own=two_vaces,
        without=READ,
        **FILM,
    ),
    row("HeliosModularPipeline", WAN_PARTS, {**TOLD, **CHUNKS}, own=helios, without=READ, **FILM),
    row("HeliosPyramidModularPipeline", WAN_PARTS, {**TOLD, **CHUNKS, **LARGE}, own=pyramid, without=READ, **FILM),
    row(
        "HeliosPyramidDistilledModularPipeline",
        WAN_PARTS,
        {**TOLD, **CHUNKS, **LARGE},
        own=distilled,
        without=READ,
        **FILM,
    ),
    row("LTXModularPipeline", LTX.parts, SAID, **FILM),
    row("LTXModularPipeline", LTX.parts, {**SAID, "image": picture()}, variant="from-a-picture", **FILM),
    row("HunyuanVideo15ModularPipeline", HUNYUAN15.parts, {**HUNYUAN15.call, "image": None}, without=READ, **FILM),
)
