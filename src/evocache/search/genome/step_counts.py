"""Numbers of steps: which are tried, and what a schedule or a drift is at another one. Pure.

A skipped step still costs its share outside of what is skipped: embedding, final layer, scheduler. Where most steps are
skipped, it is cheaper to ask the solver for fewer, and between two numbers of computed steps lies more than one speed.
So a search may give schedules fewer steps than the uncached generation has that they are held against.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...schedule import COMPUTE, Schedule

Matrix = npt.NDArray[np.float64]

SHARE = 1 / 6
"""Fewest steps that are tried, relative to the uncached generation's, where nobody says otherwise."""

LADDER = 24
"""Most numbers of steps that a search starts from."""


def choose_least_steps(steps: int) -> int:
    """Return the fewest steps that are tried where nobody says otherwise."""
    return min(steps, max(2, round(SHARE * steps)))


def list_step_counts(least: int, steps: int, most: int = LADDER) -> list[int]:
    """Return numbers of steps from the least up to below `steps`: all, or at most so many in about equal ratios."""
    if steps - least <= most:
        return list(range(least, steps))
    return sorted({int(count) for count in np.round(np.geomspace(least, steps - 1, most))})


def condense(schedule: Schedule, steps: int) -> Schedule:
    """Return the schedule with another number of steps, computed as often as it was and at the same places in time.

    `Schedule.resampled` keeps the share of steps that are computed, and with it how far forecasts reach; this keeps
    their number, as far as there are steps for it, so that fewer steps means fewer skipped ones. What was always
    computed still is.
    """
    old = schedule.steps
    if steps == old:
        return schedule
    assert schedule.gains is not None
    places = np.minimum(np.round(np.arange(old) * steps / old).astype(int), steps - 1)
    computes = np.zeros((steps, len(schedule.tree)), dtype=bool)
    np.logical_or.at(computes, places, schedule.executed)
    orders = np.full(computes.shape, COMPUTE.order, dtype=np.int8)
    gains = np.zeros(computes.shape)
    middles = (np.arange(steps) + 0.5) * old / steps - 0.5
    for column in np.flatnonzero(schedule.read.any(axis=0)):
        between = np.flatnonzero(schedule.read[:, column])
        nearest = between[np.abs(middles[:, None] - between).argmin(axis=1)]
        skipped = ~computes[:, column]
        orders[skipped, column] = schedule.orders[nearest[skipped], column]
        gains[skipped, column] = schedule.gains[nearest[skipped], column]
    return Schedule.repaired(schedule.tree, orders, gains, model=schedule.model, provenance=schedule.provenance)


def resample_drift(drift: Matrix, steps: int) -> Matrix:
    """Return a drift (old steps, old steps) between the places in time of fewer steps, (steps, steps), linear between.

    Step k of n lies where step k * old / n did: timesteps are spread over the same time, and the first is the same.
    """
    old = len(drift)
    places = np.arange(steps) * old / steps
    low = np.minimum(places.astype(int), max(old - 2, 0))
    high, share = np.minimum(low + 1, old - 1), (places - low)[:, None]
    rows = drift[low] * (1 - share) + drift[high] * share
    out: Matrix = rows[:, low] * (1 - share.T) + rows[:, high] * share.T
    return out
