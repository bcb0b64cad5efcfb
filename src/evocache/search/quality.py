"""Qualities: how far outputs are from the uncached ones, or how little a reward thinks of them. Lower is better."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RunError
from ..metrics import latent_error, psnr, ssim

FLOOR = -80.0
"""Error in decibels that identical outputs get: beyond it nothing is to be gained."""

Measure = Callable[[Any, Any, Sequence[str]], Sequence[float]]


@dataclass(frozen=True)
class Quality:
    """How candidates are judged.

    Attributes:
        name: as it was asked for.
        output: the pipeline's `output_type` that is needed.
        measure: (outputs, uncached outputs, prompts) -> one error for each prompt, lower is better.
        unit: what the errors are in.
    """

    name: str
    output: str
    measure: Measure
    unit: str


def quality(name: str) -> Quality:
    """A quality by name: `latent`, `psnr`, `ssim`, or `module:function`, a reward of the user's.

    A reward is called with images (n, height, width, 3), floats in [0, 1], and their prompts; it returns one number for
    each, higher is better.

    Raises:
        RunError: if there is none of that name, or the reward cannot be imported.
    """
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    if ":" in name:
        return Quality(name, "np", _rewarded(_imported(name)), "reward, negated")
    raise RunError(f"quality {name!r}", f"one of {', '.join(_BUILT_IN)} or module:function", "choose one of these")


def _latent(outputs: Any, references: Any, prompts: Sequence[str]) -> list[float]:
    relative = latent_error(outputs, references).relative
    return [max(FLOOR, 10 * math.log10(value)) if value > 0 else FLOOR for value in relative.tolist()]


def _psnr(outputs: Any, references: Any, prompts: Sequence[str]) -> list[float]:
    return [max(FLOOR, -value) for value in _per_prompt(psnr, outputs, references)]


def _ssim(outputs: Any, references: Any, prompts: Sequence[str]) -> list[float]:
    return [1 - value for value in _per_prompt(ssim, outputs, references)]


def _per_prompt(
    metric: Callable[[Any, Any], npt.NDArray[np.float64]], outputs: Any, references: Any
) -> npt.NDArray[np.float64]:
    """A metric of images, or the mean over the frames of each video."""
    shape = np.shape(outputs)
    if len(shape) == 4:
        return metric(outputs, references)
    frames = [np.reshape(x, (-1, *shape[2:])) for x in (outputs, references)]
    means: npt.NDArray[np.float64] = np.minimum(metric(*frames), -FLOOR).reshape(shape[:2]).mean(axis=1)
    return means


_BUILT_IN = {
    "latent": Quality("latent", "latent", _latent, "dB relative to the latents"),
    "psnr": Quality("psnr", "np", _psnr, "dB"),
    "ssim": Quality("ssim", "np", _ssim, "1 - SSIM"),
}


def _rewarded(reward: Callable[[Any, Sequence[str]], Any]) -> Measure:
    def measure(outputs: Any, references: Any, prompts: Sequence[str]) -> list[float]:
        values = np.asarray(reward(outputs, prompts), dtype=float).reshape(-1)
        if len(values) != len(prompts):
            raise RunError(f"{len(values)} rewards for {len(prompts)} prompts", "one each", "correct the reward")
        return [-float(value) if math.isfinite(value) else math.inf for value in values]

    return measure


def _imported(name: str) -> Callable[[Any, Sequence[str]], Any]:
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise RunError(f"reward {name!r} ({error})", "module:function", "check the name and PYTHONPATH") from None
    if not callable(found):
        raise RunError(f"reward {name!r}, a {type(found).__name__}", "a function", "name a function")
    wanted: Callable[[Any, Sequence[str]], Any] = found
    return wanted
