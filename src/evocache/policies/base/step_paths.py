"""Step masks as paths: computed steps are nodes, and what lies between two of them is the error of an edge. Pure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Cost = tuple[float, ...]
"""Costs of paths are compared as tuples."""


def find_best_path(drift: npt.NDArray[np.float64], budget: int, add: Callable[[Cost, float], Cost]) -> tuple[int, ...]:
    """Return the computed steps, step 0 among them, of the path with the least cost. Time is O(steps^2 budget).

    Args:
        drift: (steps, steps); `drift[computed, step]` is the error of using at `step` what was computed before.
        budget: number of computed steps, 1 to steps.
        add: the cost of a path and one more edge; it must keep the order of costs.
    """
    steps, held = len(drift), accumulate_drift(drift)
    paths: dict[int, tuple[Cost, tuple[int, ...]]] = {0: ((), (0,))}  # by last computed step
    for count in range(2, budget + 1):
        paths = {
            b: min((add(paths[a][0], held[a, b]), (*paths[a][1], b)) for a in paths if a < b)
            for b in range(count - 1, steps)
        }
    return min((add(cost, held[last, steps]), path) for last, (cost, path) in paths.items())[1]


def accumulate_drift(drift: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return (steps, steps + 1): the error of holding what a row's step computed up to the step of a column."""
    steps = len(drift)
    held = np.zeros((steps, steps + 1))
    for a in range(steps):
        held[a, a + 2 :] = np.cumsum(drift[a, a + 1 :])
    return held


def add_up(cost: Cost, edge: float) -> Cost:
    """Return the sum of the edges."""
    return (sum(cost) + edge,)


def keep_worst(cost: Cost, edge: float) -> Cost:
    """Return the edges, worst first: of two paths, that with the less bad worst edge is better, then the second."""
    return tuple(sorted((*cost, edge), reverse=True))
