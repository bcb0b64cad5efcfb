"""What a card says of a task: it takes in proportion to what it has more or less of than usual."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ...workers.card import ModelCard, PointCard
from ...workers.task import Picture, Task, Value


def base_seconds(card: ModelCard, task: Task, point: PointCard | None) -> float:
    """Return what a card says of a task: seconds of one uncached generation, times what it has more or less of."""
    share = 1.0 if point is None else 1.0 / point.speedup
    return max(1e-6, card.seconds * share * steps_of(card, task) * pixels_of(card, task) * frames_of(card, task))


def steps_of(card: ModelCard, task: Task) -> float:
    """Return steps of denoising as a part of the usual ones: from a given picture on those that its strength leaves."""
    given = _ratio(card.defaults, task.arguments, "num_inference_steps")
    strength = _number({**card.defaults, **task.arguments}.get("strength"))
    return given * min(1.0, strength) if strength and task.pictures else given


def pixels_of(card: ModelCard, task: Task) -> float:
    """Return pixels of a frame as a part of the usual ones; what is not named is as in the picture that is given."""
    usual = [_number(card.defaults.get(name)) for name in ("height", "width")]
    given = [_number(task.arguments.get(name)) for name in ("height", "width")]
    shown: Picture | None = task.pictures.get("image")
    sides = [None, None] if shown is None else [float(shown.height), float(shown.width)]
    ratio = 1.0
    for asked, of_picture, normal in zip(given, sides, usual, strict=True):
        if normal:
            ratio *= (asked or of_picture or normal) / normal
    return ratio


def frames_of(card: ModelCard, task: Task) -> float:
    """Return frames as a part of the usual ones."""
    return _ratio(card.defaults, task.arguments, "num_frames")


def _ratio(defaults: Mapping[str, Value], arguments: Mapping[str, Value], name: str) -> float:
    given, usual = _number(arguments.get(name)), _number(defaults.get(name))
    return given / usual if given and usual else 1.0


def _number(value: object) -> float | None:
    """A value as a positive number; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        return None
    return float(value)
