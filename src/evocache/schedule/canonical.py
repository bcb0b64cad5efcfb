"""Canonical form: one grid for each behaviour, found in one pass over the steps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ScheduleError
from .action import COMPUTE, REUSE
from .component import Tree

Indices = npt.NDArray[np.intp]


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
    stages = [(level, *_readers(tree, level)) for level in tree.levels]
    for step in range(len(orders)):
        row, runs = orders[step], executed[step]
        for level, sources, readers, starts in stages:
            parents = tree.parents[level]
            active = (parents < 0) | runs[parents]
            if len(sources):
                active[sources] &= np.logical_or.reduceat(runs[readers], starts)
            early = active & (row[level] >= 0) & (history[level] == 0)
            if early.any() and not repair:
                raise _early(tree, int(level[int(np.argmax(early))]), step)
            computes = active & ((row[level] < 0) | early)
            runs[level] = computes
            read[step, level] = active & ~computes
            lowered = np.minimum(row[level], np.maximum(history[level] - 1, 0))
            row[level] = np.where(computes, COMPUTE.order, np.where(active, lowered, REUSE.order))
        history += runs
    orders[(orders > 0) & (gains == 0.0)] = REUSE.order
    gains[orders <= 0] = 0.0
    return Grid(orders, gains, executed, read)


def _readers(tree: Tree, level: Indices) -> tuple[Indices, Indices, Indices]:
    """Positions in a level of components with readers, all their readers in one row, and where each one's start."""
    known = dict(tree.sources)
    sources = [k for k, i in enumerate(level) if int(i) in known]
    lists = [known[int(level[k])] for k in sources]
    starts = np.cumsum([0, *(len(readers) for readers in lists)])[:-1]
    readers = [reader for readers in lists for reader in readers]
    return np.array(sources, dtype=np.intp), np.array(readers, dtype=np.intp), starts.astype(np.intp)


def _early(tree: Tree, component: int, step: int) -> ScheduleError:
    return ScheduleError(
        f"{tree.components[component].id} is reused at step {step}, before it was computed",
        "every component computed before it is reused",
        "compute it at an earlier step, or build the schedule with Schedule.repaired",
    )
