"""Qualities: how far outputs are from the uncached ones, or how little a reward thinks of them. Lower is better."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import Error, RunError
from ...metrics import latent_error, psnr, ssim
from . import rewards
from .faults import is_device_fault

FLOOR = -80.0
"""Error in decibels that identical outputs get: beyond it nothing is to be gained."""

Measure = Callable[[Any, Any, Sequence[str]], Sequence[float]]


@dataclass(frozen=True)
class Quality:
    """How candidates are judged.

    Attributes:
        name: as it was asked for.
        output: the pipeline's `output_type` that is needed.
        measure: (outputs, uncached outputs, prompts) -> one error for each prompt, lower is better; infinite where
            there is nothing to judge.
        unit: of the figures that `shown` gives; empty if they have none.
        best: the figure that an error of 0 is shown as.
        residual: whether outputs are compared with the uncached ones as vectors, so that the error is a function of
            the difference of the two alone and falls with its length.
    """

    name: str
    output: str
    measure: Measure
    unit: str = ""
    best: float = 0.0
    residual: bool = False

    def shown(self, error: float) -> float:
        """Return the figure that people know, higher is better: decibels, a similarity or a reward."""
        return self.best - error

    def uncached(self, outputs: Any, prompts: Sequence[str]) -> list[float]:
        """Measure the errors of uncached outputs against themselves; what nothing can be judged by is found out here.

        Raises:
            RunError: if they cannot be judged, or none of them gets a finite figure.
        """
        try:
            errors = [float(error) for error in self.measure(outputs, outputs, prompts)]
        except RunError:
            raise
        except Exception as error:
            if is_device_fault(error):
                raise
            why = error.given if isinstance(error, Error) else f"{type(error).__name__}: {error}"
            mend = error.mend if isinstance(error, Error) else "call it by hand on an image and its prompt"
            given = f"quality {self.name}, which fails on uncached outputs ({why})"
            raise RunError(given, "a figure for each prompt", mend) from error
        if not any(map(math.isfinite, errors)):
            given = f"quality {self.name}, which gives no finite number for any uncached output"
            raise RunError(given, "a figure for each prompt", "call it by hand on an image and its prompt")
        return errors


def quality(judge: str | Quality | rewards.Reward) -> Quality:
    """Return the quality that is meant by a name, a function or a quality.

    Names:
        - `latent`, `psnr`, `ssim`: how far outputs are from the uncached ones;
        - `lpips:FOLDER`: perceptual distance, with the weights in a folder (see `metrics.lpips`);
        - `clip:MODEL`: CLIP score, or another reward that is a CLIP model, such as PickScore; a folder or hub id;
        - `imagereward:NAME`: ImageReward by its own package, such as `imagereward:ImageReward-v1.0`;
        - `module:function`: a reward of the user's.

    A reward, named or given as a function, is called with images (n, height, width, 3), or videos
    (n, frames, height, width, 3), floats in [0, 1], and their prompts; it returns one number for each, higher is
    better. What is not a finite number counts as infinitely bad.

    Raises:
        RunError: if there is none of that name, or the reward cannot be loaded.
    """
    if isinstance(judge, Quality):
        return judge
    if isinstance(judge, str):
        return _named(judge)
    if callable(judge):
        return Quality(rewards.name_of(judge), "np", rewards.Rewarded(judge))
    raise RunError(f"a {type(judge).__name__} as quality", "a name, a function or a Quality", 'try "psnr"')


def _named(name: str) -> Quality:
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    kind, colon, what = name.partition(":")
    if not colon or not what:
        names = (*_BUILT_IN, "lpips:FOLDER", *(f"{known}:NAME" for known in rewards.LEARNED), "module:function")
        raise RunError(f"quality {name!r}", f"one of {', '.join(names)}", "choose one of these")
    if kind == "lpips":
        return Quality(name, "np", rewards.load_perceptual(what), "negated LPIPS")
    reward = rewards.load_learned(kind, what) if kind in rewards.LEARNED else rewards.import_reward(name)
    return Quality(name, "np", rewards.Rewarded(reward))


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
    "latent": Quality("latent", "latent", _latent, "dB", residual=True),
    "psnr": Quality("psnr", "np", _psnr, "dB", residual=True),
    "ssim": Quality("ssim", "np", _ssim, best=1.0),
}
