"""How much of a denoiser calls compute, as far as their schedule tells beforehand."""

from __future__ import annotations

from ...schedule import Schedule
from ..ops.branch import Branch


def work_of(branch: Branch, step: int) -> float:
    """Return what a call computes at a step, as a share of all leaves."""
    plan = branch.plan
    return 1.0 if plan.row(step) is None else plan.work[step - plan.start]


def work_left(schedule: Schedule | None, step: int, steps: int) -> float:
    """Return the work from a step on, in calls that compute everything; without a schedule each counts as one."""
    leaves = [] if schedule is None else list(schedule.tree.leaves)
    if schedule is None or not leaves:
        return float(max(0, steps - step))
    return float(schedule.executed[step:, leaves].mean(axis=1).sum())
