"""Canonical form: one grid for each behaviour, found in one pass over the levels of a tree; grids that are none."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ScheduleError
from .action import COMPUTE, MAX_ORDER, REUSE
from .component import Tree
from .size_limits import check_size

Indices = npt.NDArray[np.intp]


class Grid(NamedTuple):
    """A canonical grid; every array is (steps, components).

    `executed` tells which cells run, `read` which cells read cached values.
    """

    orders: npt.NDArray[np.int8]
    gains: npt.NDArray[np.float64]
    executed: npt.NDArray[np.bool_]
    read: npt.NDArray[np.bool_]


PANEL = 1 << 19
"""Cells that are worked on at a time, so that a large grid takes little more memory than it fills."""


def canonicalise(
    tree: Tree, orders: npt.NDArray[np.int8], gains: npt.NDArray[np.float64] | None, *, repair: bool
) -> Grid:
    """Return the canonical form of a grid; its arrays are new. Where no gains are given, they are 1.

    Components come level by level, each at all steps at once: whether one is looked at depends on the levels before
    its own alone, and what it computed earlier on its own column.

    Raises:
        ScheduleError: if a component is reused before it was computed, unless `repair`, which computes it then.
    """
    grid = Grid(np.full_like(orders, REUSE.order), np.zeros(orders.shape), *np.zeros((2, *orders.shape), dtype=bool))
    width = max(PANEL // len(orders), 1)
    early: tuple[int, int] | None = None
    for level in tree.levels:
        for first in range(0, len(level), width):
            columns = level[first : first + width]
            found = _fill(tree, orders, gains, grid, columns)
            if found is not None and (early is None or found[0] < early[0]):
                early = found
    if early is not None and not repair:
        raise _early(tree, early[1], early[0])
    return grid


def _fill(
    tree: Tree, orders: npt.NDArray[np.int8], gains: npt.NDArray[np.float64] | None, grid: Grid, columns: Indices
) -> tuple[int, int] | None:
    """Fill in some columns of one level, and tell the first step and column that is reused before it was computed.

    What would be read too early is computed instead.
    """
    parents = tree.parents[columns]
    active = (parents < 0) | grid.executed[:, parents]
    sources, readers, starts = _readers(tree, columns)
    if len(sources):
        active[:, sources] &= np.logical_or.reduceat(grid.executed[:, readers], starts, axis=1)
    asked = orders[:, columns]
    first = active.argmax(axis=0)  # the step at which a component is looked at first
    places = np.arange(len(columns))
    early = active[first, places] & (asked[first, places] >= 0)
    asked[first[early], places[early]] = COMPUTE.order
    computes = active & (asked < 0)
    reads = active & ~computes
    grid.executed[:, columns] = computes
    grid.orders[:, columns] = np.where(computes, COMPUTE.order, REUSE.order)
    if reads.any():
        grid.read[:, columns] = reads
        computed = np.cumsum(computes, axis=0, dtype=np.int32)
        order = np.minimum(asked, np.maximum(computed - 1, 0)).astype(np.int8)
        gain = np.ones(asked.shape) if gains is None else gains[:, columns]
        forecast = reads & (order > 0) & (gain != 0.0)
        grid.orders[:, columns] = np.where(forecast, order, grid.orders[:, columns])
        grid.gains[:, columns] = np.where(forecast, gain, 0.0)
    if not early.any():
        return None
    step = int(first[early].min())
    return step, int(columns[int(np.argmax(early & (first == step)))])


def _readers(tree: Tree, columns: Indices) -> tuple[Indices, Indices, Indices]:
    """Positions among columns of components with readers, all their readers in one row, and where each one's start."""
    known = tree.readers
    sources = [k for k, i in enumerate(columns.tolist()) if i in known]
    lists = [known[int(columns[k])] for k in sources]
    starts = np.cumsum([0, *(len(readers) for readers in lists)])[:-1]
    readers = [reader for readers in lists for reader in readers]
    return np.array(sources, dtype=np.intp), np.array(readers, dtype=np.intp), starts.astype(np.intp)


def _early(tree: Tree, component: int, step: int) -> ScheduleError:
    return ScheduleError(
        f"{tree.components[component].id} is reused at step {step}, before it was computed",
        "every component computed before it is reused",
        "compute it at an earlier step, or build the schedule with Schedule.repaired",
    )


def check_grid(tree: Tree, orders: Any, gains: Any) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64] | None]:
    """Check the shapes and values of a grid.

    Raises:
        ScheduleError: if they are no schedule's.
    """
    orders = np.asarray(orders)
    shape = (orders.shape[0] if orders.ndim else 0, len(tree))
    if orders.ndim != 2 or orders.shape != shape or orders.size == 0:
        raise ScheduleError(
            f"a grid of shape {orders.shape}", f"(steps, {len(tree)})", "one row a step, one column a component"
        )
    check_size(tree, len(orders))
    if orders.dtype.kind not in "iu" or orders.min() < COMPUTE.order or orders.max() > MAX_ORDER:
        raise ScheduleError("orders out of range", f"whole numbers in -1..{MAX_ORDER}", "-1 computes, 0 reuses")
    gains = None if gains is None else np.asarray(gains, dtype=np.float64)
    if gains is not None and (gains.shape != orders.shape or not np.isfinite(gains).all()):
        raise ScheduleError(
            f"gains of shape {gains.shape}", f"finite numbers of shape {orders.shape}", "one gain a cell"
        )
    return orders.astype(np.int8, copy=False), gains
