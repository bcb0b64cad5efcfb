"""What a worker says of a model once it is loaded: what it takes, what its front offers, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .task import Value


@dataclass(frozen=True)
class PointCard:
    """A point of a front as people choose it, the slowest and best first.

    Attributes:
        index: its place in the model's front; what `Task.point` names.
        label: a short name, which stays with its schedule.
        speedup: times as fast as uncached, measured where it was.
        quality: of what it gives, in the front's own measure (dB of PSNR to uncached); None if unknown.
        steps: number of denoising steps of its schedule.
    """

    index: int
    label: str
    speedup: float
    quality: float | None
    steps: int


@dataclass(frozen=True)
class ModelCard:
    """A model that is loaded.

    Attributes:
        name: what requests call it.
        kind: what it makes.
        arguments: names of its call's arguments that a request may set.
        defaults: their values where a request says nothing, such as `height` and `num_inference_steps`.
        points: of its front, the slowest first; none if it has no front.
        context: values of the call that the front's figures hold for; outside of them nothing is promised.
        seconds: of one uncached generation alone, as measured when it was loaded.
        bytes: of its weights.
        fingerprint: digest of what its outputs depend on: weights, configs, solver. It is part of every key.
        frames_per_second: of films.
    """

    name: str
    kind: Literal["picture", "video"]
    arguments: frozenset[str]
    defaults: Mapping[str, Value]
    points: tuple[PointCard, ...]
    seconds: float
    bytes: int
    fingerprint: str
    context: Mapping[str, Value] = field(default_factory=dict)
    frames_per_second: int = 8
