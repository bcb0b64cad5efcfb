"""LEDITS++: a picture is inverted, then edited on the way back."""

from __future__ import annotations

from typing import Any

from tests.pipelines import stable_diffusion, stable_diffusion_xl
from tests.pipelines.row import STEPS, of
from tests.pipelines.stable_diffusion import OFFSET
from tests.tiny.base import picture

SOLVER = of("DPMSolverMultistepScheduler", **OFFSET, algorithm_type="sde-dpmsolver++", solver_order=2)
EDITS = {"editing_prompt": ["a hat"], "edit_guidance_scale": 5.0, "edit_threshold": 0.8}
BY_NOISE = {**EDITS, "use_intersect_mask": False}
"""Where the picture is edited is told by the noise alone, not by maps of attention."""


def inverted(pipe: Any) -> None:
    """Invert the picture, from its first step on."""
    pipe.set_progress_bar_config(disable=True)
    pipe.invert(image=picture(), num_inversion_steps=STEPS, skip=0.0, resize_mode="default")


ROWS = (
    stable_diffusion.row("LEditsPPPipelineStableDiffusion", BY_NOISE, parts=SOLVER, after=inverted),
    stable_diffusion_xl.row("LEditsPPPipelineStableDiffusionXL", BY_NOISE, parts=SOLVER, after=inverted),
)
