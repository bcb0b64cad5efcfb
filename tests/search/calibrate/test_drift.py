"""Drift from samples, against the definitions."""

from __future__ import annotations

import numpy as np

from evocache.search.calibrate.drift import absolute, group_errors, sketch, squared
from tests.search.trees import stack

RNG = np.random.default_rng(0)


def test_distances_are_relative_to_the_step_that_is_asked_for() -> None:
    grid = RNG.normal(size=(4, 30))
    here = np.ones(4, dtype=bool)
    for a in range(4):
        for b in range(4):
            l2 = np.square(grid[a] - grid[b]).sum() / np.square(grid[b]).sum()
            l1 = np.abs(grid[a] - grid[b]).sum() / np.abs(grid[b]).sum()
            assert np.isclose(squared(grid, here)[a, b], l2, atol=1e-9)
            assert np.isclose(absolute(grid, here)[a, b], l1)


def test_a_component_that_is_not_called_at_all_steps() -> None:
    rows = {1: [np.full(3, 1.0)], 3: [np.full(3, 3.0)]}
    grid, present = sketch(rows, 5, 5)
    assert grid[:, 0].tolist() == [1, 1, 1, 3, 3]
    assert present.tolist() == [False, True, False, True, False]
    assert not squared(grid, present)[:, ~present].any()
    assert squared(grid, present)[0, 3] == (2 / 3) ** 2


def test_calls_of_a_step_lie_side_by_side_and_a_call_left_out_shortens_all() -> None:
    rows = {0: [np.array([1.0, 2.0]), np.array([3.0, 4.0])], 1: [np.array([5.0, 6.0])]}
    assert sketch(rows, 2, 2)[0].tolist() == [[1, 2], [5, 6]]
    rows[1].append(np.array([7.0, 8.0]))
    assert sketch(rows, 2, 2)[0].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_another_number_of_steps_matches_places() -> None:
    rows = {step: [np.array([float(step)])] for step in range(3)}
    assert sketch(rows, 3, 5)[0][:, 0].tolist() == [0, 0, 1, 2, 2]
    assert sketch(rows, 3, 2)[0][:, 0].tolist() == [0, 2]


def test_errors_are_means_over_the_layers_of_a_kind() -> None:
    tree = stack(2)
    grids = {c.id: (RNG.normal(size=(3, 8)), np.ones(3, dtype=bool)) for c in tree if c.kind == "attention"}
    found = group_errors(tree, grids)
    assert list(found) == ["t/attention"]
    assert np.allclose(found["t/attention"], np.mean([absolute(*grid) for grid in grids.values()], axis=0))
