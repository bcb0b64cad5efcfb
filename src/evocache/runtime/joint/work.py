"""How much of a denoiser calls compute, as far as their schedule tells beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ...schedule import Schedule
from ..lru import LRU
from ..ops.branch import Branch


def work_of(branch: Branch, step: int) -> float:
    """Return what a call computes at a step, as a share of all leaves."""
    plan = branch.plan
    return 1.0 if plan.row(step) is None else plan.work[step - plan.start]


def work_left(schedule: Schedule | None, step: int, steps: int) -> float:
    """Return the work from a step on, in calls that compute everything; without a schedule each counts as one."""
    left = None if schedule is None else _known.get_or_make(schedule, partial(_left, schedule))
    if not left:
        return float(max(0, steps - step))
    return left[step] if step < len(left) else 0.0


_known: LRU[Schedule, Sequence[float]] = LRU(64)
"""Of schedules, the work from each step on: asked for in each turn, of all jobs that wait."""


def _left(schedule: Schedule) -> Sequence[float]:
    """The work of a schedule from each step on; nothing if it has no leaves."""
    leaves = list(schedule.tree.leaves)
    if not leaves:
        return ()
    found: list[float] = schedule.executed[::-1, leaves].mean(axis=1).cumsum()[::-1].tolist()
    return found
