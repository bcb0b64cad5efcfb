"""Drift: how far features move between steps, from samples of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ...policies.calibrated.smoothcache import group_columns
from ...schedule import Tree

Matrix = npt.NDArray[np.float64]
Rows = Mapping[int, Sequence[npt.NDArray[np.float32]]]
"""By step at which a component ran, samples of its feature, one for each call."""

Drift = Mapping[str, Matrix]
"""By component, a (steps, steps) matrix: error of using the value computed at one step (row) at another (column)."""


def sketch(rows: Rows, total: int, steps: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Sample a feature as a grid, (steps, elements), and tell at which steps it was there, (steps,).

    A component that is not called at a step stands there with its latest value, before its first call with the first:
    a generation that enters a schedule late computes everything then.

    Args:
        rows: the samples; of each step as many calls are used as every step has.
        total: number of steps that the scheduler counted when they were taken.
        steps: number of steps wanted; where they differ (two stages), places are matched.
    """
    flat = {step: np.concatenate([part.reshape(-1) for part in parts]) for step, parts in rows.items()}
    size = min(len(values) for values in flat.values())
    known = np.array(sorted(flat))
    places = np.round(np.linspace(0, total - 1, steps)).astype(int)
    latest = np.maximum(np.searchsorted(known, places, side="right") - 1, 0)
    grid = np.stack([flat[int(known[i])][:size] for i in latest]).astype(np.float64)
    return grid, np.isin(places, known)


def squared(grid: Matrix, present: npt.NDArray[np.bool_]) -> Matrix:
    """Compute relative squared distances, (steps, steps), of samples (steps, elements); 0 without the component.

    Row: the step whose value is used; column: the step at which it is used, whose own value is the unit.
    """
    squares = np.square(grid).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares[None, :] - 2 * grid @ grid.T, 0.0)
    out: Matrix = distances / np.maximum(squares[None, :], 1e-30) * present[None, :]
    return out


def absolute(grid: Matrix, present: npt.NDArray[np.bool_]) -> Matrix:
    """Compute relative L1 distances, as SmoothCache has them (arXiv 2411.10510, eq. 3); otherwise as `squared`."""
    distances = np.stack([np.abs(grid - row).sum(axis=1) for row in grid])
    out: Matrix = distances / np.maximum(np.abs(grid).sum(axis=1)[None, :], 1e-30) * present[None, :]
    return out


def group_errors(tree: Tree, grids: Mapping[str, tuple[Matrix, npt.NDArray[np.bool_]]]) -> dict[str, Matrix]:
    """Compute mean relative L1 errors of the layers that decide together in SmoothCache (eq. 4), by group."""
    out: dict[str, Matrix] = {}
    for name, columns in group_columns(tree).items():
        found = [absolute(*grids[tree.components[i].id]) for i in columns if tree.components[i].id in grids]
        if found:
            out[name] = np.mean(found, axis=0)
    return out
