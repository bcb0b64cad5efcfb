"""Hypervolume against a reference that counts cells of a fine grid, exactly."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evocache.search.optimise.hypervolume import Box

UNIT = {2: Box(np.zeros(2), np.ones(2)), 3: Box(np.zeros(3), np.ones(3))}


def counted(points: np.ndarray, cells: int) -> float:
    """Share of the cells of a grid, on whose corners the points lie, that some point dominates."""
    ranges = [range(cells)] * points.shape[1]
    dominated = sum(bool((points <= cell).all(axis=1).any()) for cell in itertools.product(*ranges))
    return dominated / cells ** points.shape[1]


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 3), st.integers(0, 12), st.integers(0, 10_000))
def test_it_is_the_share_of_the_box_that_is_dominated(objectives: int, count: int, seed: int) -> None:
    points = np.random.default_rng(seed).integers(0, 9, (count, objectives))
    volume = UNIT[objectives].volume(points / 8)
    assert volume == pytest.approx(counted(points, 8) if count else 0.0)


def test_points_outside_the_box_count_as_far_as_they_reach_into_it() -> None:
    box = Box(np.array([-50.0, 1.0]), np.array([-10.0, 3.0]))
    assert box.volume(np.array([[-90.0, 0.0]])) == 1.0  # better than best
    assert box.volume(np.array([[-30.0, 2.0]])) == pytest.approx(0.25)
    assert box.volume(np.array([[-9.0, 1.0], [-50.0, 3.0]])) == 0.0  # worse than worst in one of them


def test_a_box_lies_around_its_points_and_is_never_flat() -> None:
    box = Box.around(np.array([[1.0, 5.0], [3.0, 5.0]]))
    assert (box.best == [1.0, 5.0]).all()
    assert box.worst[0] == 3.0
    assert box.worst[1] > 5.0
