"""The plan: a schedule compiled to rows, one a step, that say what is stored, read and freed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress, pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...schedule import Schedule, liveness
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

    `executed` is the schedule's row of what runs, as numbers.
    """

    stores: frozenset[int]
    recalls: Mapping[int, Recall]
    blanks: frozenset[int]
    executed: npt.NDArray[np.int64]

    @cached_property
    def pattern(self) -> tuple[frozenset[int], frozenset[int], frozenset[int]]:
        """What tells its table from those of other rows: columns that recall, that store, and that are dead code."""
        return frozenset(self.recalls), self.stores, self.blanks

    @cached_property
    def dying(self) -> int:
        """How many components read a value for the last time."""
        return sum(bool(recall.dies) for recall in self.recalls.values())


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
        """Compile the plan of a schedule that is entered at step `start`."""
        if start >= schedule.steps:
            return cls(schedule, start, (), frozenset())
        schedule = schedule.starting_at(start)
        found = liveness.find_lookups(schedule)
        stores: list[set[int]] = [set() for _ in range(schedule.steps)]
        for column, born in zip(found.component.tolist(), found.born.tolist(), strict=True):
            stores[born].add(column)
        recalls: list[dict[int, Recall]] = [{} for _ in range(schedule.steps)]
        for step, column, recall in _recalls(schedule, found):
            recalls[step][column] = recall
        blanks = [_dead(schedule, step) for step in range(schedule.steps)]
        executed = schedule.executed.astype(np.int64)  # to be added up fast
        rows = tuple(Row(frozenset(stores[s]), recalls[s], blanks[s], executed[s]) for s in range(schedule.steps))
        touched = frozenset().union(*(set_ for row in rows for set_ in (row.stores, row.recalls, row.blanks)))
        return cls(schedule, start, rows, touched)

    @cached_property
    def work(self) -> Sequence[float]:
        """What each row computes, as a share of all leaves; all of it, if there are none."""
        leaves = list(self.schedule.tree.leaves)
        return [float(row.executed[leaves].mean()) if leaves else 1.0 for row in self.rows]

    def row(self, step: int) -> Row | None:
        """Return the row of a step of the generation.

        None past the end of the schedule, where everything is computed.
        """
        index = step - self.start
        return self.rows[index] if 0 <= index < len(self.rows) else None


def _recalls(schedule: Schedule, found: liveness.Lookups) -> Iterator[tuple[int, int, Recall]]:
    """For each cell that reads, step by step of each component: its step, its column, and what it does.

    Weights depend on how long before the values were computed, so that most cells share theirs with others.
    """
    assert schedule.gains is not None
    columns = found.component[found.value]
    cells = np.flatnonzero(np.diff(columns * schedule.steps + found.step, prepend=-1))
    steps, columns = found.step[cells], columns[cells]
    gains = schedule.gains[steps, columns].tolist()
    born = found.born[found.value]
    before = (born - found.step).tolist()
    dies = (found.last_read[found.value] == found.step).tolist()
    known: dict[object, tuple[float, ...]] = {}
    lists, bounds = born.tolist(), [*cells.tolist(), len(born)]
    for step, column, gain, (low, high) in zip(steps.tolist(), columns.tolist(), gains, pairwise(bounds), strict=True):
        key = (gain, *before[low:high])
        if key not in known:
            known[key] = weights(before[low:high], 0, gain)
        values = tuple(lists[low:high])
        yield step, column, Recall(values, known[key], tuple(compress(values, dies[low:high])))


def _dead(schedule: Schedule, step: int) -> frozenset[int]:
    """Components whose parent runs, but which neither run nor are read: nobody needs their output."""
    tree = schedule.tree
    sources = [source for source, _ in tree.sources]
    runs, reads = schedule.executed[step], schedule.read[step]
    return frozenset(
        s for s in sources if not runs[s] and not reads[s] and (tree.parents[s] < 0 or runs[tree.parents[s]])
    )
