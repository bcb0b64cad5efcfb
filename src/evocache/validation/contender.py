"""What is measured beside others, by proofs and by the demo: a schedule, or the pipeline with a number of steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..memory.planner.planner import MemoryPlan
from ..runtime import Handle, apply
from ..schedule import Schedule
from ..schedule.front import Point


@dataclass(frozen=True)
class Contender:
    """A way of generating that is measured beside others.

    Attributes:
        name: what it is called in tables; unique.
        group: those of a proof are `front`, `seed` or `steps`; those of the demo cost about the same.
        share: of the uncached pipeline's time that it is predicted to take.
        point: what is applied: a point of a front, or a policy as a point without objectives; None for nothing.
        steps: `num_inference_steps` of the call, of what has no schedule that says it.
    """

    name: str
    group: str
    share: float = 1.0
    point: Point | None = None
    steps: int | None = None

    @property
    def schedule(self) -> Schedule | None:
        """What is applied; None for the pipeline as it is."""
        return None if self.point is None else self.point.schedule

    @property
    def denoising_steps(self) -> int | None:
        """Steps that a generation makes; None where neither a schedule nor the call says it."""
        return self.steps if self.schedule is None else self.schedule.steps


@contextmanager
def apply_contender(
    pipe: Any, contender: Contender | None, memory: MemoryPlan | int | None = None
) -> Iterator[Handle | None]:
    """Apply a contender, or nothing, within the context, with a plan or a limit of bytes if there is one.

    Yields:
        The handle; None where nothing is applied.
    """
    point = None if contender is None else contender.point
    if point is None and memory is None:
        yield None
        return
    what, storage = ("none", None) if point is None else (point.schedule, point.storage)
    with apply(pipe, what, memory=memory, storage=storage) as handle:
        yield handle
