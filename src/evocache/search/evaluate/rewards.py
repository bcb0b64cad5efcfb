"""Rewards: what judges outputs and prompts, higher is better. A user's function, or a model that was trained to."""

from __future__ import annotations

import functools
import importlib
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import RunError

Reward = Callable[[Any, Sequence[str]], Any]
"""(images or videos, prompts) -> one number for each."""

LEARNED = ("clip", "imagereward")
"""Rewards that evocache knows how to load."""


@dataclass(frozen=True)
class Rewarded:
    """A reward as a measure of errors: negated, and infinite where it is not a finite number."""

    reward: Reward

    def __call__(self, outputs: Any, references: Any, prompts: Sequence[str]) -> list[float]:
        """One error for each prompt.

        Raises:
            RunError: if the reward gives something else than a number for each prompt.
        """
        given = self.reward(outputs, prompts)
        try:
            values = _flat(given)
        except (TypeError, ValueError):
            raise RunError(f"a reward that returns {_short(given)}", "a number for each prompt", _MEND) from None
        if len(values) != len(prompts):
            raise RunError(f"{len(values)} rewards for {len(prompts)} prompts", "one each", _MEND)
        return [-value if math.isfinite(value) else math.inf for value in values]


_MEND = "return one number for each image, as reward(images, prompts)"


def _flat(values: Any) -> list[float]:
    """The numbers in an array, a tensor on any device, or a sequence of either."""
    values = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(values, Iterable) and not isinstance(values, str):
        return [number for value in values for number in _flat(value)]
    return [float(values)]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def name_of(reward: Reward) -> str:
    """Return `module:function` of a function, or of an object's class."""
    named = reward if hasattr(reward, "__qualname__") else type(reward)
    return f"{named.__module__}:{getattr(named, '__qualname__', named)}"


def import_reward(name: str) -> Reward:
    """Return the function that `module:function` names; the module may lie in the working directory.

    Raises:
        RunError: if it cannot be imported, or is no function.
    """
    module, _, function = name.partition(":")
    try:
        with _working_directory():
            found: Any = functools.reduce(getattr, function.split("."), importlib.import_module(module))
    except Exception as error:  # a module may fail in any way while it is imported
        why = f"{type(error).__name__}: {error}"
        raise RunError(f"reward {name!r} ({why})", "module:function", "check the name and PYTHONPATH") from error
    if not callable(found):
        raise RunError(f"reward {name!r}, a {type(found).__name__}", "a function", "name a function")
    reward: Reward = found
    return reward


@contextmanager
def _working_directory() -> Iterator[None]:
    """Within the context, modules are also looked for in the working directory, last."""
    here = os.getcwd()
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)


def load_learned(kind: str, name: str) -> Reward:
    """Return a trained reward, of one of the kinds in `LEARNED`, that judges videos by the mean over their frames.

    Raises:
        RunError: if it cannot be loaded.
    """
    from ...metrics import MetricError

    try:
        if kind == "clip":
            from ...metrics.clip_score import ClipScore

            return FrameByFrame(ClipScore.load(name, device=_device()))
        from ...metrics.image_reward import ImageReward

        return FrameByFrame(ImageReward.load(name, device=_device()))
    except MetricError as error:
        raise RunError(error.given, error.expected, error.mend) from error


@dataclass(frozen=True)
class FrameByFrame:
    """A reward of images that also takes videos."""

    reward: Reward

    def __call__(self, outputs: Any, prompts: Sequence[str]) -> Any:
        """Rewards of images (n, height, width, 3), or means over videos (n, frames, height, width, 3)."""
        shape = np.shape(outputs)
        if len(shape) != 5:
            return self.reward(outputs, prompts)
        frames = np.reshape(outputs, (-1, *shape[2:]))
        each = self.reward(frames, [prompt for prompt in prompts for _ in range(shape[1])])
        return np.reshape(_flat(each), shape[:2]).mean(axis=1)


@dataclass(frozen=True)
class Perceptual:
    """A distance of images from the uncached ones, as a measure of errors; of videos, the mean over frames."""

    distance: Callable[[Any, Any], Any]

    def __call__(self, outputs: Any, references: Any, prompts: Sequence[str]) -> list[float]:
        """One error for each prompt."""
        shape = np.shape(outputs)
        frames = [np.reshape(x, (-1, *shape[-3:])) for x in (outputs, references)]
        return list(map(float, np.reshape(self.distance(*frames), (shape[0], -1)).mean(axis=1)))


def load_perceptual(folder: str) -> Perceptual:
    """Load LPIPS with the weights in a folder.

    Raises:
        RunError: if they are not there.
    """
    from ...metrics import MetricError
    from ...metrics.lpips import Lpips

    try:
        return Perceptual(Lpips.load(folder, device=_device()).distance)
    except MetricError as error:
        raise RunError(error.given, error.expected, error.mend) from error


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
