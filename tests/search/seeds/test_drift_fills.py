"""Drift-greedy fills against what can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from evocache.search.seeds.drift_fills import make_fills
from tests.search.trees import stack

TREE, STEPS = stack(1), 6
LEAVES = [TREE.components[i].id for i in TREE.leaves]
SECONDS = dict.fromkeys(LEAVES, 1.0)


def moving(change: float) -> np.ndarray:
    position = np.arange(STEPS) * change
    return np.square(position[None, :] - position[:, None])


def test_the_leaf_that_drifts_least_goes_first():
    drift = {id: moving(change) for id, change in zip(LEAVES, (3.0, 0.1, 2.0), strict=True)}
    (schedule,) = make_fills(TREE, STEPS, drift, SECONDS, shares=[1 - 5 / 18])
    column = TREE.index[LEAVES[1]]
    assert np.flatnonzero(schedule.read.any(axis=0)).tolist() == [column]
    assert np.flatnonzero(schedule.executed[:, column]).tolist() == [0]


def test_steps_go_where_little_changes():
    position = np.array([0.0, 5.0, 10.0, 10.1, 10.2, 15.0])
    drift = {LEAVES[0]: np.square(position[None, :] - position[:, None])}
    (schedule,) = make_fills(TREE, STEPS, drift, SECONDS, shares=[4 / 6])
    assert np.flatnonzero(schedule.read[:, TREE.index[LEAVES[0]]]).tolist() == [3, 4]


def test_what_saves_more_may_drift_more():
    drift = {LEAVES[0]: moving(1.0), LEAVES[1]: moving(1.0)}
    (schedule,) = make_fills(TREE, STEPS, drift, {LEAVES[0]: 1.0, LEAVES[1]: 10.0}, shares=[0.8])
    assert not schedule.read[:, TREE.index[LEAVES[0]]].any()
    assert schedule.read[:, TREE.index[LEAVES[1]]].sum() == 2


def test_shares_are_reached_one_after_the_other_each_within_the_last():
    drift = {id: moving(1.0 + i) for i, id in enumerate(LEAVES)}
    shares = [0.9, 0.7, 0.5, 0.3]
    found = list(make_fills(TREE, STEPS, drift, SECONDS, shares=shares[::-1]))
    times = [schedule.cost(SECONDS) / (3 * STEPS) for schedule in found]
    for share, time in zip(shares, times, strict=True):
        assert share - 1 / 18 < time <= share + 1e-9
    for less, more in zip(found[1:], found, strict=False):
        assert not (less.executed & ~more.executed).any()
    assert found[0].provenance.origin == "fill to 90% of the leaves' time, gain 0"


def test_forecasts_in_place_of_reuse():
    (schedule,) = make_fills(TREE, STEPS, {LEAVES[0]: moving(1.0)}, SECONDS, shares=[0.5], gain=0.5)
    assert set(schedule.gains[schedule.read].tolist()) <= {0.0, 0.5}
    assert (schedule.orders == 1).any()


@pytest.mark.parametrize(("drift", "seconds"), [({}, SECONDS), ({LEAVES[0]: moving(1.0)}, {})])
def test_without_drift_or_time_there_is_nothing_to_fill(drift, seconds):
    assert list(make_fills(TREE, STEPS, drift, seconds)) == []
