"""What schedules are evaluated on: prompts, seeds and the arguments of the pipeline's call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import RunError


@dataclass(frozen=True)
class Workload:
    """Prompts with a seed each.

    Attributes:
        prompts: the prompts.
        seeds: one for each prompt, the same for every schedule, so that outputs can be compared pair by pair.
        call: further keyword arguments of the pipeline's call (steps, guidance, size).
        batch: how many prompts a call takes.
    """

    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    call: Mapping[str, Any] = field(default_factory=dict)
    batch: int = 16

    def __post_init__(self) -> None:
        if not self.prompts or len(self.prompts) != len(self.seeds) or self.batch < 1:
            raise RunError(
                f"{len(self.prompts)} prompts and {len(self.seeds)} seeds in batches of {self.batch}",
                "at least one prompt, a seed for each, and batches of at least one",
                "give more prompts",
            )

    @classmethod
    def of(cls, prompts: Sequence[str], call: Mapping[str, Any], *, seed: int = 0, batch: int = 16) -> Workload:
        """Return a workload whose seeds count up from `seed`."""
        return cls(tuple(prompts), tuple(range(seed, seed + len(prompts))), dict(call), batch)

    def batches(self, numbers: Sequence[int]) -> list[list[int]]:
        """Split prompt numbers into parts of at most a batch."""
        return [list(numbers[i : i + self.batch]) for i in range(0, len(numbers), self.batch)]
