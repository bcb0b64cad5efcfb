"""Where a search is after a generation. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ...schedule.front import Point


@dataclass(frozen=True)
class State:
    """Where the evolution is, told after every generation.

    Attributes:
        generation: 0 after the seeds.
        points: all designs that went through all prompts.
        names: of their objectives, in order.
        jobs: evaluations so far.
        step_equivalents: what they took, see `Job.step_equivalents`.
        hypervolume: share of the box around the seeds that the points dominate.
        cut: whether not all jobs of the generation were answered, so that it is the last.
    """

    generation: int
    points: tuple[Point, ...]
    names: tuple[str, ...]
    jobs: int
    step_equivalents: float
    hypervolume: float
    cut: bool = False
