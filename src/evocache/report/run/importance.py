"""What good schedules compute: how often each cell is executed in the better ones of schedules of about equal cost.

Only schedules with as many steps as the uncached generation are looked at. Those of fewer steps compute more of what
they have at the same cost, so that laid over the others they would tell of the solver and not of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...schedule.front import Point

Grid = npt.NDArray[np.float64]

GOOD = 0.25
"""Share of the schedules of one cost that count as good."""

EACH = 12
"""Schedules of about equal cost that are compared with one another."""

LEAST = 2 * EACH
"""With fewer schedules in all nothing is said."""


@dataclass(frozen=True)
class Importance:
    """How often cells are executed.

    Attributes:
        rows: kind and block of the leaves, a row each.
        kinds: of the rows.
        good: (rows, steps) share of good schedules that execute the cell.
        all: (rows, steps) the same for all schedules of the same costs.
        schedules: how many were looked at.
        steps: that they have.
    """

    rows: tuple[str, ...]
    kinds: tuple[str, ...]
    good: Grid
    all: Grid
    schedules: int
    steps: int

    @property
    def lift(self) -> Grid:
        """(rows, steps) how much more often good schedules execute a cell."""
        return self.good - self.all

    def by_kind(self) -> dict[str, tuple[float, float]]:
        """Return the shares of good schedules and of all, by kind."""
        found = {}
        for kind in dict.fromkeys(self.kinds):
            mine = np.array([k == kind for k in self.kinds])
            found[kind] = (float(self.good[mine].mean()), float(self.all[mine].mean()))
        return found


def compare_cells(points: Sequence[Point], steps: int) -> Importance | None:
    """Compare cells over evaluated schedules of a number of steps; None if there are too few.

    Schedules are ordered by the share that they execute and cut into groups of about `EACH`. In every group the best
    quarter, by error, is compared with the whole group, so that what is good is not just what is expensive.
    """
    points = [p for p in points if p.schedule.steps == steps and not p.schedule.is_full]
    if len(points) < LEAST:
        return None
    points = sorted(points, key=lambda point: point.schedule.executed_fraction())
    rows, kinds, members = _rows(points[0])
    executed = np.stack([_shares(point, members) for point in points])
    errors = np.array([point.objectives["error"] for point in points])
    good, whole = [], []
    for group in np.array_split(np.arange(len(points)), len(points) // EACH):
        best = group[np.argsort(errors[group], kind="stable")][: max(1, round(GOOD * len(group)))]
        good.append(executed[best].mean(axis=0))
        whole.append(executed[group].mean(axis=0))
    return Importance(rows, kinds, np.mean(good, axis=0), np.mean(whole, axis=0), len(points), steps)


def _rows(point: Point) -> tuple[tuple[str, ...], tuple[str, ...], list[list[int]]]:
    """Rows by kind, then block; leaves of one kind in one block share a row."""
    tree = point.schedule.tree
    members: dict[tuple[str, str, int], list[int]] = {}
    for i in tree.leaves:
        component = tree.components[i]
        block = -1 if component.block is None else component.block
        members.setdefault((component.denoiser, component.kind, block), []).append(int(i))
    several = len({denoiser for denoiser, _, _ in members}) > 1
    order = list(dict.fromkeys((denoiser, kind) for denoiser, kind, _ in members))
    keys = sorted(members, key=lambda key: (order.index(key[:2]), key[2]))
    named = [(f"{denoiser} " if several else "") + kind.replace("_", " ") for denoiser, kind, _ in keys]
    rows = [f"{name} {key[2]}" if key[2] >= 0 else name for name, key in zip(named, keys, strict=True)]
    return tuple(rows), tuple(named), [members[key] for key in keys]


def _shares(point: Point, members: list[list[int]]) -> Grid:
    """(rows, steps) share of a row's leaves that are executed."""
    return np.stack([point.schedule.executed[:, columns].mean(axis=1) for columns in members])
