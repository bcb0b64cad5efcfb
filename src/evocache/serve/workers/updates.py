"""What a worker tells of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .task import Picture


@dataclass(frozen=True)
class Progressed:
    """It runs: steps of denoising that have begun, of all; 0 of 0 while that is unknown."""

    step: int
    steps: int


@dataclass(frozen=True)
class Previewed:
    """What it would give by now, in small; told where a preview was asked for."""

    step: int
    picture: Picture


@dataclass(frozen=True)
class Made:
    """It is over, and this is what it gave.

    Attributes:
        picture: the picture or film.
        seconds: by stage, seconds of computing: `compute`, shared with those that it was computed with; `wait`, from
            its arrival at the worker to its start.
        notes: what is said of how it ran.
    """

    picture: Picture
    seconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failed:
    """It is over, and gave nothing.

    Attributes:
        reason: whose fault it was: `input` of what was asked for, `memory` of too little, `worker` of the process that
            computed it, which is gone, `pipeline` of anything else.
        text: what happened, in words that its owner may read.
        goes_back: whether it was not tried at all, so that what was promised goes back to its queue.
    """

    reason: Literal["input", "memory", "worker", "pipeline"]
    text: str
    goes_back: bool = False


@dataclass(frozen=True)
class Cancelled:
    """It is over, as it was asked to be."""


Update = Progressed | Previewed | Made | Failed | Cancelled
"""The last three are the end: of each task one of them is told, once, and nothing after it."""
