"""Masks by dynamic programming against brute force."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evocache.errors import ScheduleError
from evocache.search.seeds.step_masks import find_best_masks


def total(drift: np.ndarray, mask: tuple[int, ...]) -> float:
    error, last = 0.0, 0
    for step in range(len(drift)):
        if step in mask:
            last = step
        else:
            error += drift[last, step]
    return error


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 7), st.integers(0, 1000))
def test_masks_are_the_best_there_are(steps: int, seed: int) -> None:
    drift = np.random.default_rng(seed).random((steps, steps))
    masks = find_best_masks(drift)
    assert sorted(masks) == list(range(1, steps + 1))
    for budget, mask in masks.items():
        assert len(mask) == budget
        assert mask[0] == 0
        best = min(total(drift, (0, *rest)) for rest in combinations(range(1, steps), budget - 1))
        assert total(drift, mask) == pytest.approx(best)


def test_drift_that_grows_fast_is_computed_often() -> None:
    change = np.array([5.0, 5.0, 5.0, 5.0, 0.1, 0.1, 0.1, 0.1])
    position = np.cumsum(change)
    mask = find_best_masks(np.square(position[None, :] - position[:, None]))[4]
    assert mask == (0, 1, 2, 3)


@pytest.mark.parametrize("drift", [np.zeros((2, 3)), np.full((3, 3), np.nan), np.zeros((0, 0))])
def test_what_is_no_drift_is_refused(drift: np.ndarray) -> None:
    with pytest.raises(ScheduleError, match="drift"):
        find_best_masks(drift)
