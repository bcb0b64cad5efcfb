"""What a plan holds over a generation, from stage to stage and step to step. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..swapping.swap_selection import held, swaps
from .footprint import BranchFootprint, Footprint
from .planner import WHOLE, Held, MemoryPlan


class Moment(NamedTuple):
    """A stretch of a generation.

    Attributes:
        stage: encode, denoise or decode.
        step: the denoising step, from 0; None in other stages.
        held: what is on the device when most is.
    """

    stage: str
    step: int | None
    held: Held


def timeline(footprint: Footprint, plan: MemoryPlan, steps: int) -> list[Moment]:
    """Return what is held, stretch by stretch.

    Args:
        footprint: what the plan was made from.
        plan: the plan.
        steps: number of denoising steps.
    """
    features = [0] * steps
    for branch in footprint.branches:
        for step, count in _features(branch, plan):
            if step < steps:
                features[step] += count
    denoise = plan.stages["denoise"]
    middle = [Moment("denoise", step, denoise._replace(features=count)) for step, count in enumerate(features)]
    return [Moment("encode", None, plan.stages["encode"]), *middle, Moment("decode", None, plan.stages["decode"])]


def _features(branch: BranchFootprint, plan: MemoryPlan) -> Iterator[tuple[int, int]]:
    """For each step, the most bytes of features that a branch holds; between its events, what it held at the last."""
    capacity = WHOLE if plan.capacity is None else plan.capacity
    gaps = swaps(branch.lives, capacity, plan.ahead).gaps
    most: dict[int, int] = {}
    for step, count in zip(branch.steps, held(branch.lives, gaps, plan.ahead).tolist(), strict=False):
        most[step] = max(most.get(step, 0), count)
    before = 0
    for step in range(max(most, default=-1) + 1):
        before = most.get(step, before)
        yield step, before
