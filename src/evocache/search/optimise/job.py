"""Jobs: what a search asks to be evaluated, and what may come of one. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from ...schedule import Schedule
from ..genome.memory_genes import Design

Answer = Sequence[float]
"""One error for each prompt of a job, lower is better, infinite where there is no figure; see `Job` for others."""

Outcomes = Sequence[Answer | None]
"""An answer for each job; None for one that was not evaluated, which cuts the generation short."""


@dataclass(frozen=True)
class Failure:
    """What comes of a job instead of an answer if its schedule cannot be evaluated: the reason, which lies in it."""

    why: str


More = Callable[[], bool]
"""Whether another job may be begun."""


def always() -> bool:
    """Say that there is time for every job."""
    return True


@dataclass(frozen=True)
class Job:
    """What is to be evaluated: a schedule on prompts, given by their numbers.

    With `turns`, variants of the schedule, the answer is not the errors but how the variants move the outputs: see
    `polish.polished`. Features are stored in `storage`, by all of them.
    """

    schedule: Schedule
    prompts: tuple[int, ...]
    turns: tuple[Schedule, ...] = ()
    storage: str = "none"

    @cached_property
    def key(self) -> str:
        """What the answer depends on, as a short hash: the same on every machine."""
        return key_of(self.schedule.digest, self.prompts, self.turned, self.storage)

    @property
    def turned(self) -> tuple[str, ...]:
        """Digests of the turns."""
        return tuple(turn.digest for turn in self.turns)

    @property
    def figures(self) -> int:
        """How many numbers its answer has."""
        return (1 + len(self.turns)) ** 2 if self.turns else len(self.prompts)

    @property
    def step_equivalents(self) -> float:
        """Denoiser steps of one prompt that it takes; a step counts as the share of its leaves that are executed."""
        shares = sum(schedule.executed_fraction() for schedule in (self.schedule, *self.turns))
        return shares * self.schedule.steps * len(self.prompts)


def key_of(schedule: str, prompts: Sequence[int], turned: Sequence[str], storage: str) -> str:
    """Return the key of a job, from the digests of its schedule and turns."""
    parts = [schedule, *map(str, prompts), "", *turned]
    if storage != "none":
        parts += ["", storage]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def job_of(design: Design, prompts: tuple[int, ...]) -> Job:
    """Return a design's schedule and storage on prompts."""
    return Job(design.schedule, prompts, storage=design.genes.storage)


T = TypeVar("T")

Asks = Generator[list[Job], Outcomes, T]
"""A part of a search that waits for the outcomes of the jobs that it yields; a list without jobs gets an empty one."""
