"""Settings of a search: sizes, rungs, limits and its seed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...errors import RunError
from ...schedule.numbers import check_real, check_whole
from ...schedule.size_limits import MAX_SEED


@dataclass(frozen=True)
class Settings:
    """How a search goes about it.

    Attributes:
        population: how many schedules survive a generation.
        offspring: how many are bred in one.
        generations: most generations; the caller may stop earlier.
        prompts: number of calibration prompts.
        rungs: numbers of prompts after which those that are dominated so far are given up; of the seeds, all but the
            best `population` are.
        polish: how many schedules have their gains polished in a generation (see `polish`).
        polish_prompts: on how many prompts.
        limits: most that a priced objective may be (`{"memory": 200e6}`).
        seed: of all randomness.
    """

    population: int = 32
    offspring: int = 10
    generations: int = 100
    prompts: int = 16
    rungs: tuple[int, ...] = (4,)
    polish: int = 6
    polish_prompts: int = 8
    limits: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    @classmethod
    def of(cls, prompts: int, **others: Any) -> Settings:
        """Make settings for a number of prompts: the first rung is 4 of them, where there are more."""
        return cls(**{"prompts": prompts, "rungs": (4,) if prompts > 4 else (), **others})

    def limited_to(self, prompts: int) -> Settings:
        """Return settings of a search that sees so many prompts, where they were made for more of them."""
        if not prompts or prompts >= self.prompts:
            return self
        return replace(self, prompts=prompts, rungs=tuple(rung for rung in self.rungs if rung < prompts))

    def __post_init__(self) -> None:
        least = {"population": 2, "offspring": 1, "prompts": 1, "generations": 0, "polish": 0, "polish_prompts": 0}
        for name, low in (*least.items(), ("seed", 0)):
            check_whole(getattr(self, name), name, low, MAX_SEED if name == "seed" else 10**9, RunError)
        for name, limit in self.limits.items():
            check_real(limit, f"limits[{name!r}]", RunError, least=0)
        for rung in self.rungs:
            check_whole(rung, "rungs", 1, 10**9, RunError)
        if list(self.rungs) != sorted(set(self.rungs)) or any(not 0 < r < self.prompts for r in self.rungs):
            raise RunError(f"rungs {self.rungs}", f"increasing numbers below {self.prompts}", "correct the rungs")
