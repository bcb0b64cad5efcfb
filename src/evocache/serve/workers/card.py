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
        index: its place among all points of the model, those of its LoRAs after its own; what `Task.point` names.
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
class LoraCard:
    """A LoRA that requests of a model may name.

    Attributes:
        name: what requests call it.
        weight: that it has where a request says none.
        bytes: of its weights, which are among the model's.
        fingerprint: digest of its file. It is part of every key of a request that names it.
        points: of the front that was evolved with it alone, at its weight, the slowest first; none if it has none.
        context: values of the call that this front's figures hold for.
    """

    name: str
    weight: float
    bytes: int
    fingerprint: str
    points: tuple[PointCard, ...] = ()
    context: Mapping[str, Value] = field(default_factory=dict)


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
        bytes: of its weights, and of those of its LoRAs.
        fingerprint: digest of what its outputs depend on: weights, configs, solver. It is part of every key. LoRAs have
            their own.
        frames_per_second: of films.
        loras: that requests may name.
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
    loras: tuple[LoraCard, ...] = ()
