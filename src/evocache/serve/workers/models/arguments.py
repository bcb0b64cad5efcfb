"""What a request may set of a pipeline's call, by the call's own signature."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from ....loading.pipelines import choose_steps
from ....model.discover import discover
from ....runtime.call_context import SIZES, usual_size
from ....runtime.program.step_arguments import STEPS
from ..task import Value

PICTURES = frozenset({"image", "mask_image", "mask", "last_image", "control_image", "video"})
"""Arguments that are pictures or films."""

SETTABLE = PICTURES | {
    *(f"{name}{which}" for name in ("prompt", "negative_prompt") for which in ("", "_2", "_3")),
    *("num_inference_steps", "height", "width", "num_frames", "video_length", "strength", "eta", "clip_skip"),
    *("guidance_scale", "guidance_scale_2", "true_cfg_scale", "image_guidance_scale", "guidance_rescale"),
    *("fps", "frame_rate", "motion_bucket_id", "noise_aug_strength", "cfg_normalization", "cfg_truncation"),
}
"""Arguments that a request may set: none that is code, names a file, or changes what kind of output there is."""

RATES = ("frame_rate", "fps")
"""Arguments that say how many frames a second has."""

USUAL_RATE = 8
"""Frames a second of films whose pipeline does not say."""


def list_arguments(pipe: Any) -> frozenset[str]:
    """Return the names of the arguments of a pipeline's call that a request may set."""
    return frozenset(SETTABLE & inspect.signature(type(pipe).__call__).parameters.keys())


def find_defaults(pipe: Any) -> dict[str, Value]:
    """Return what the arguments that a request may set are where it sets none, as far as the pipeline says it.

    Its number of steps and its size are among them also where its signature leaves them open.
    """
    parameters = inspect.signature(type(pipe).__call__).parameters
    found: dict[str, Value] = {
        name: parameters[name].default
        for name in sorted(list_arguments(pipe) - PICTURES)
        if isinstance(parameters[name].default, (str, int, float))
    }
    if STEPS in parameters:
        found[STEPS] = choose_steps(pipe)
    size = usual_size(pipe, [denoiser.module for denoiser in discover(pipe).denoisers])
    for name, usual in zip(SIZES, size or (), strict=False):
        if name in parameters:
            found.setdefault(name, usual)
    return found


def find_frame_rate(defaults: Mapping[str, Value]) -> int:
    """Return the frames a second of a pipeline's films, from the defaults of its call."""
    known = (defaults.get(name) for name in RATES)
    return next((round(rate) for rate in known if isinstance(rate, (int, float)) and rate >= 1), USUAL_RATE)
