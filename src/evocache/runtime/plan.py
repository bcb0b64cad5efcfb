"""The plan: a schedule compiled to rows, one a step, that say what is stored, read and freed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..schedule import Schedule, liveness
from .forecast import weights


class Recall(NamedTuple):
    """How a component that does not compute gets its feature.

    Attributes:
        born: steps whose values it reads, latest first.
        weights: one for each of them.
        dies: those of them that nobody reads later.
    """

    born: tuple[int, ...]
    weights: tuple[float, ...]
    dies: tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One step: columns of the components that store their output, that recall it, and that are dead code.

    `executed` is the schedule's row of what runs.
    """

    stores: frozenset[int]
    recalls: Mapping[int, Recall]
    blanks: frozenset[int]
    executed: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Plan:
    """A schedule, from the step on at which the generation enters it, compiled to rows.

    Attributes:
        schedule: the rows of the schedule that are used.
        start: the step at which it is entered.
        rows: one for each step from `start` on.
        touched: columns of the components that are ever stored, recalled or blank.
    """

    schedule: Schedule
    start: int
    rows: tuple[Row, ...]
    touched: frozenset[int]

    @classmethod
    def compile(cls, schedule: Schedule, start: int = 0) -> Plan:
        """The plan of a schedule that is entered at step `start`."""
        if start >= schedule.steps:
            return cls(schedule, start, (), frozenset())
        schedule = schedule.starting_at(start)
        last: dict[tuple[int, int], int] = {(v.component, v.born): v.last_read for v in liveness.values(schedule)}
        stores: list[set[int]] = [set() for _ in range(schedule.steps)]
        for column, born in last:
            stores[born].add(column)
        recalls: list[dict[int, Recall]] = [{} for _ in range(schedule.steps)]
        assert schedule.gains is not None
        for (step, column), born_steps in liveness.reads(schedule).items():
            gain = float(schedule.gains[step, column])
            dies = tuple(b for b in born_steps if last[column, b] == step)
            recalls[step][column] = Recall(born_steps, weights(born_steps, step, gain), dies)
        blanks = [_dead(schedule, step) for step in range(schedule.steps)]
        rows = tuple(
            Row(frozenset(stores[s]), recalls[s], blanks[s], schedule.executed[s]) for s in range(schedule.steps)
        )
        touched = frozenset(c for row in rows for c in (*row.stores, *row.recalls, *row.blanks))
        return cls(schedule, start, rows, touched)

    def row(self, step: int) -> Row | None:
        """The row of a step of the generation; None past the end of the schedule, where everything is computed."""
        index = step - self.start
        return self.rows[index] if 0 <= index < len(self.rows) else None


def _dead(schedule: Schedule, step: int) -> frozenset[int]:
    """Components whose parent runs, but which neither run nor are read: nobody needs their output."""
    tree = schedule.tree
    sources = [source for source, _ in tree.sources]
    runs, reads = schedule.executed[step], schedule.read[step]
    return frozenset(
        s for s in sources if not runs[s] and not reads[s] and (tree.parents[s] < 0 or runs[tree.parents[s]])
    )
