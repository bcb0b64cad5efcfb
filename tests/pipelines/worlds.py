"""Worlds to walk through: a camera's path is given, and a second pipeline refines what was made, block by block."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from tests.pipelines.ltx2 import connectors, video_vae
from tests.pipelines.row import Kit, Parts, denoiser
from tests.pipelines.sequence_images import gemma
from tests.pipelines.videos import CALL
from tests.tiny.base import PROMPT, picture

TOKENS, WIDTH = 6, 12
SEEN = torch.ones(1, TOKENS, dtype=torch.long)


def sana_wm() -> Parts:
    """Return the parts of SANA-WM: a ray of the camera for each pixel is told to each block."""
    return {
        "vae": video_vae(),
        "transformer": denoiser(
            "SanaWMTransformer3DModel", in_channels=8, chunk_plucker_channels=24, caption_channels=WIDTH
        ),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0),
    }


def refiner() -> Parts:
    """Return the parts of its refiner: keys and values of the blocks before are kept in a cache of its own."""
    return {
        **gemma(),
        "connectors": connectors(caption_channels=32, text_proj_in_factor=3, heads=4),
        "transformer": denoiser(
            "SanaWMLTX2RefinerTransformer3DModel", in_channels=8, out_channels=8, caption_channels=32
        ),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
        "vae": video_vae(),
        "text_max_sequence_length": 8,
    }


def path(frames: int) -> np.ndarray:
    """Return poses of a camera that moves ahead, `(frames, 4, 4)`."""
    poses = np.tile(np.eye(4, dtype=np.float32), (frames, 1, 1))
    poses[:, 2, 3] = np.linspace(0, 1, frames)
    return poses


TOLD: dict[str, Any] = {
    **CALL,
    "image": picture(),
    "c2w": path(9),
    "intrinsics": [30.0, 30.0, 16.0, 16.0],
    "prompt_embeds": torch.linspace(-1, 1, TOKENS * WIDTH).reshape(1, 1, TOKENS, WIDTH),
    "prompt_attention_mask": SEEN,
    "negative_prompt_embeds": torch.linspace(1, -1, TOKENS * WIDTH).sin().reshape(1, 1, TOKENS, WIDTH),
    "negative_prompt_attention_mask": SEEN,
}
SANA_WM = Kit(sana_wm, TOLD)
REFINER = Kit(
    refiner,
    {
        "prompt": PROMPT,
        "sana_latent": torch.linspace(-1, 1, 8 * 5 * 16).sin().reshape(1, 8, 5, 4, 4),
        "fps": 16.0,
        "block_size": 2,
        "sigmas": (0.9, 0.7, 0.5, 0.3, 0.0),
    },
)

ROWS = (
    SANA_WM.row("SanaWMPipeline"),
    REFINER.row("SanaWMLTX2Refiner", warns="transformer made 5 steps where the scheduler has 4"),
)
