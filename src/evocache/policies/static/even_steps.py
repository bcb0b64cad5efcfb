"""Whole steps spread evenly: as many as a speed-up leaves. No published method; the simplest that any model allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...errors import PolicyError, short
from ...schedule import Schedule, Tree, uniform
from ...schedule.size_limits import MAX_STEPS
from ..base.parameter_checks import check_not_negative
from ..base.policy import Policy
from .steps import find_outermost


@dataclass(frozen=True)
class EvenSteps(Policy):
    """Computes one of `interval` steps, spread evenly; between, the residual of the whole stack is reused.

    On a U-Net the part below the shallowest skip connection is reused instead.

    Attributes:
        interval: steps for each that is computed, from 1; it may have a fraction: 1.5 computes two of three.
        first: so many steps are computed at the start; the others that are computed are spread over the rest.
    """

    interval: float
    first: int = 1

    name: ClassVar[str] = "even"
    usage: ClassVar[str] = "even:N[,first]"
    summary: ClassVar[str] = (
        "all blocks at one of N steps, spread evenly (1.5: two of three); the first steps are computed"
    )
    paper: ClassVar[str] = ""

    def __post_init__(self) -> None:
        check_not_negative(self, "interval", self.interval)
        check_not_negative(self, "first", self.first, whole=True)
        if not 1 <= self.interval <= MAX_STEPS:
            expected = f"a number from 1 to {MAX_STEPS}"
            raise PolicyError(f"interval {short(self.interval)} for {self.name}", expected, f"write {self.usage}")
        if not self.first:
            raise PolicyError(f"first 0 for {self.name}", "at least 1", "nothing can be reused before a first step")

    @property
    def spec(self) -> str:
        """The text that `parse` turns into this policy."""
        text = f"{self.name}:{self.interval!r}".removesuffix(".0")
        return text if self.first == 1 else f"{text},{self.first}"

    def computed(self, steps: int) -> tuple[int, ...]:
        """Return the steps that are computed, of so many."""
        count = max(int(steps / self.interval + 1e-9), 1)
        first = min(self.first, count)
        rest, left = count - first, steps - first
        return (*range(first), *(steps - left + (2 * i + 1) * left // (2 * rest) for i in range(rest)))

    def compile(self, tree: Tree, steps: int) -> Schedule:
        """Reuse the stack of each denoiser except at the steps that are computed."""
        return uniform(tree, steps, [c.id for c in find_outermost(tree)], self.computed(steps))
