"""Canonical form: one grid for each behaviour, found in one pass over the steps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ScheduleError
from .action import COMPUTE, REUSE
from .component import Tree


class Grid(NamedTuple):
    """A canonical grid; every array is (steps, components).

    `executed` tells which cells run, `read` which cells read cached values.
    """

    orders: npt.NDArray[np.int8]
    gains: npt.NDArray[np.float64]
    executed: npt.NDArray[np.bool_]
    read: npt.NDArray[np.bool_]


def canonicalise(tree: Tree, orders: npt.NDArray[np.int8], gains: npt.NDArray[np.float64], *, repair: bool) -> Grid:
    """The canonical form of a grid; its arrays are new.

    Raises:
        ScheduleError: if a component is reused before it was computed, unless `repair`, which computes it then.
    """
    orders, gains = orders.copy(), gains.copy()
    executed = np.zeros(orders.shape, dtype=bool)
    read = np.zeros(orders.shape, dtype=bool)
    history = np.zeros(len(tree), dtype=np.int64)
    for step in range(len(orders)):
        row, runs = orders[step], executed[step]
        for level in tree.levels:
            _settle_row(tree, step, level, row, runs, read[step], history, repair)
        for source, readers in tree.sources:
            if any(runs[r] for r in readers):
                _settle_row(tree, step, np.array([source]), row, runs, read[step], history, repair)
            else:
                row[source] = REUSE.order
        history += runs
    gains[(orders <= 0) | ~read] = 0.0
    orders[(orders > 0) & (gains == 0.0)] = REUSE.order
    return Grid(orders, gains, executed, read)


def _settle_row(
    tree: Tree,
    step: int,
    level: npt.NDArray[np.intp],
    row: npt.NDArray[np.int8],
    runs: npt.NDArray[np.bool_],
    reads: npt.NDArray[np.bool_],
    history: npt.NDArray[np.int64],
    repair: bool,
) -> None:
    parents = tree.parents[level]
    active = (parents < 0) | runs[parents]
    wanted = row[level]
    early = active & (wanted >= 0) & (history[level] == 0)
    if early.any():
        if not repair:
            name = tree.components[int(level[int(np.argmax(early))])].id
            raise ScheduleError(
                f"{name} is reused at step {step}, before it was computed",
                "every component computed before it is reused",
                "compute it at an earlier step, or build the schedule with Schedule.repaired",
            )
        wanted = np.where(early, COMPUTE.order, wanted)
    computes = active & (wanted < 0)
    runs[level] = computes
    reads[level] = active & ~computes
    lowered = np.minimum(wanted, np.maximum(history[level] - 1, 0))
    row[level] = np.where(computes, COMPUTE.order, np.where(active, lowered, REUSE.order))
