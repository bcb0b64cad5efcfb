"""Kandinsky 6: a video and its sound, stepped by a scheduler and its copy; and higher resolution, tile by tile."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, Kandinsky6SRVAE, PiflowScheduler
from diffusers.models import MMAudioVAE, MMAudioVocoder

from tests.pipelines.row import Kit, Parts, denoiser
from tests.pipelines.videos import CALL, HUNYUAN
from tests.tiny.base import picture

SHORT: dict[str, Any] = {"num_text_blocks": 1, "num_visual_blocks": 2}
GRID = 2
"""Predictions that a distilled model makes at once, of which its scheduler makes a path."""


def kandinsky6(**changes: Any) -> Parts:
    """Return the parts of Kandinsky 6."""
    return {
        "transformer": denoiser("Kandinsky6Transformer3DModel", **SHORT, **changes),
        "vae": HUNYUAN.parts()["vae"],
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=5.0),
        "audio_vae": MMAudioVAE(
            mel_bins=8, latent_channels=4, hidden_channels=8, layers_per_block=1, n_fft=64, hop_length=2048
        ),
        "vocoder": MMAudioVocoder(
            num_mels=8,
            upsample_initial_channel=8,
            upsample_rates=(2,),
            upsample_kernel_sizes=(4,),
            resblock_kernel_sizes=(3,),
            resblock_dilation_sizes=((1,),),
        ),
    }


def shown() -> Parts:
    """Return what is shown a picture, as one more frame with a type of its own."""
    return kandinsky6(visual_cond=True, visual_token_type_num_embeddings=2)


def distilled() -> Parts:
    """Return what predicts a path at each step."""
    widened = {"out_visual_dim": 4 * GRID, "out_audio_dim": 4 * GRID}
    return {**kandinsky6(**widened), "scheduler": PiflowScheduler(n_grid=GRID)}


def super_resolution() -> Parts:
    """Return the parts of its super-resolution: tiles of 32x32, in blocks of 8x8 tokens."""
    return {
        "transformer": denoiser(
            "Kandinsky6SRTransformer3DModel", in_visual_dim=4, out_visual_dim=4, tile_sizes=((32, 32),)
        ),
        "vae": Kandinsky6SRVAE(
            latent_channels=4,
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            layers_per_block=1,
            temporal_compression_ratio=2,
            temporal_compression_start_level=0,
        ),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=5.0),
    }


TOLD: dict[str, Any] = {
    **{name: value for name, value in CALL.items() if name not in ("prompt", "negative_prompt", "image")},
    "prompt_embeds": torch.linspace(-1, 1, 6 * 12).reshape(1, 6, 12),
    "pooled_prompt_embeds": torch.linspace(-1, 1, 8).reshape(1, 8),
    "negative_prompt_embeds": torch.linspace(1, -1, 6 * 12).sin().reshape(1, 6, 12),
    "negative_pooled_prompt_embeds": torch.linspace(1, -1, 8).sin().reshape(1, 8),
    "sample_audio": True,
}
FRAME = np.asarray(picture().resize((24, 16)), dtype=np.float32)[None] / 255
KANDINSKY6 = Kit(kandinsky6, TOLD)
SUPER_RESOLUTION = Kit(super_resolution, {"video": FRAME, "resolution_scale": 2, "min_overlap": 0.0})

ROWS = (
    KANDINSKY6.row("Kandinsky6TI2VAPipeline"),
    KANDINSKY6.row("Kandinsky6TI2VAPipeline", {"sample_audio": False}, variant="silent"),
    KANDINSKY6.row("Kandinsky6TI2VAPipeline", {"image": picture()}, parts=shown, variant="shown-a-picture"),
    KANDINSKY6.row("Kandinsky6TI2VAPipeline", {"guidance_scale": 1.0}, parts=distilled, variant="distilled"),
    SUPER_RESOLUTION.row("Kandinsky6SRPipeline"),
)
