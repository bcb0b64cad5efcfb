"""Schedules for other numbers of steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evocache.errors import ScheduleError
from evocache.schedule import REUSE, Schedule, forecast, uniform

from .strategies import MODEST, dit, grid, schedules


def computed(schedule: Schedule, id: str) -> list[int]:
    return np.flatnonzero(schedule.executed[:, schedule.tree.index[id]]).tolist()


def test_the_same_number_of_steps_is_the_same_schedule():
    schedule = uniform(dit(1), 10, ["transformer/blocks.0.ff"], [0, 3, 4])
    assert schedule.resampled(10) is schedule


@pytest.mark.parametrize(
    ("steps", "expected"),
    [(20, [0, 2, 4, 7, 10, 15]), (30, [0, 2, 4, 6, 9, 12, 15, 20, 25]), (5, [0, 2]), (1, [0])],
)
def test_what_is_dense_stays_dense(steps, expected):
    ff = "transformer/blocks.0.ff"
    schedule = uniform(dit(1), 10, [ff], [0, 2, 5]).resampled(steps)
    assert computed(schedule, ff) == expected


def test_an_interval_stays_an_interval():
    ff = "transformer/blocks.0.ff"
    for steps in (6, 12, 24, 30, 60):
        schedule = uniform(dit(1), 12, [ff], range(0, 12, 3)).resampled(steps)
        assert computed(schedule, ff) == list(range(0, steps, 3))


@MODEST
@given(schedules(), st.integers(1, 25))
def test_the_share_of_computed_steps_stays(schedule, steps):
    other = schedule.resampled(steps)
    tree = schedule.tree
    assert other.steps == steps
    assert other.executed[0].all()
    depth = [next(d for d, level in enumerate(tree.levels) if i in level) for i in range(len(tree))]
    change = other.executed.sum(axis=0) - schedule.executed.mean(axis=0) * steps
    assert (np.abs(change) <= np.array(depth) + 1 + 1e-9).all()


def test_parts_compute_within_what_contains_them():
    ff, tree = "transformer/blocks.0.ff", dit(1, ("ff",))
    schedule = Schedule(tree, grid(tree, "CCCRRRCRRR", "CCCRRRCRRR", "CRRRRRCRRR")).resampled(20)
    assert len(computed(schedule, "transformer")) == 8
    assert len(computed(schedule, ff)) == 4
    assert set(computed(schedule, ff)) < set(computed(schedule, "transformer"))


def test_between_computed_steps_the_nearest_action_holds():
    tree, ff = dit(1, ("ff",)), "transformer/blocks.0.ff"
    schedule = uniform(tree, 6, [ff], [0, 1, 2, 4], forecast(1, 0.5)).resampled(12)
    assert computed(schedule, ff) == [0, 1, 2, 3, 4, 6, 8, 10]
    assert [schedule.action(s, ff) for s in (5, 7, 9, 11)] == [forecast(1, 0.5)] * 4


def test_each_step_takes_the_action_nearest_to_it():
    tree, ff = dit(1, ("ff",)), "transformer/blocks.0.ff"
    schedule = Schedule(tree, grid(tree, "CCCCCC", "CCCCCC", "CCRRR1")).resampled(12)
    assert computed(schedule, ff) == [0, 1, 2, 7]
    assert [schedule.action(s, ff) for s in (3, 6, 8, 9, 10, 11)] == [*[REUSE] * 4, *[forecast()] * 2]


@pytest.mark.parametrize("steps", [0, -3])
def test_there_is_at_least_one_step(steps):
    with pytest.raises(ScheduleError, match="at least 1"):
        Schedule.full(dit(1), 4).resampled(steps)
