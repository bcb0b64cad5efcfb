"""The tape: at which event of a branch which of its features start leaving, are gone, and start coming back. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...schedule import Schedule, liveness
from .gaps import Gaps
from .lifetimes import Indices, Lives

Cell = tuple[int, int]
"""A step, counted from where the schedule is entered, and a component's column."""


class Moves(NamedTuple):
    """What happens when an event begins, in this order.

    Attributes:
        park: values that start leaving.
        settle: values that are gone from the device.
        fetch: values that start coming back.
    """

    park: tuple[Cell, ...] = ()
    settle: tuple[Cell, ...] = ()
    fetch: tuple[Cell, ...] = ()


@dataclass(frozen=True)
class Tape:
    """What is moved when, for one branch. Values are named by the cell that wrote them.

    Attributes:
        moves: by event, which is the cell that writes or reads; events at which nothing moves are left out.
        peak: most bytes that the branch holds on the device.
        moved: bytes written out and read back.
    """

    moves: Mapping[Cell, Moves]
    peak: int
    moved: int

    @classmethod
    def of(
        cls, schedule: Schedule, sizes: Mapping[str, int], order: Sequence[str], capacity: int, ahead: int = 2
    ) -> Tape:
        """Return the tape that brings a branch's features down to a capacity, or as near as swapping can.

        Args:
            schedule: what the branch follows.
            sizes: bytes of one stored value, by component id.
            order: component ids in order of execution.
            capacity: bytes.
            ahead: events that a move is started ahead of its need.
        """
        used = uses(schedule, sizes, order)
        found = Gaps.of(used.lives, ahead).to(capacity)
        now, then = used.lives.uses[found.gaps], used.lives.uses[found.gaps + 1]
        value = used.lives.value(found.gaps)
        moves = _Moves(
            schedule.orders.shape, used, [(events, value) for events in (now + 1, now + ahead + 1, then - ahead)]
        )
        return cls(moves, found.peak, found.moved.bytes)


class Uses(NamedTuple):
    """When a schedule uses its values.

    Attributes:
        events: cells that write or read values, in the order in which they come: (events, 2).
        values: cells that write them: (values, 2).
        lives: the events at which each value is used.
    """

    events: Indices
    values: Indices
    lives: Lives


def uses(schedule: Schedule, sizes: Mapping[str, int], order: Sequence[str]) -> Uses:
    """Events in order, values, and at which events each value is used.

    Within a step components come in their order of execution, as `liveness.compute_peak_bytes` has it.
    """
    found = liveness.find_lookups(schedule)
    reader = found.component[found.value]
    active = np.zeros(schedule.orders.shape, dtype=bool)
    active[found.born, found.component] = True
    active[found.step, reader] = True

    ids = [c.id for c in schedule.components]
    rank = {id: i for i, id in enumerate(order)}
    columns = np.argsort([rank.get(id, len(rank) + i) for i, id in enumerate(ids)])
    number = np.empty(active.shape, dtype=np.intp)
    number[:, columns] = np.cumsum(active[:, columns]).reshape(active.shape) - 1
    step, place = np.nonzero(active[:, columns])

    counts = 1 + np.bincount(found.value, minlength=len(found.born))
    first = np.concatenate([[0], np.cumsum(counts)])
    written = np.zeros(first[-1], dtype=bool)
    written[first[:-1]] = True
    used = np.empty(first[-1], dtype=np.intp)
    used[written] = number[found.born, found.component]
    used[~written] = number[found.step, reader][np.argsort(found.value, kind="stable")]
    size = np.array([sizes.get(id, 0) for id in ids], dtype=np.int64)
    return Uses(
        np.stack([step, columns[place]], axis=1),
        np.stack([found.born, found.component], axis=1),
        Lives(size[found.component], used, first),
    )


class _Moves(Mapping[Cell, Moves]):
    """Moves by cell, put together when they are asked for: at once, they would take longer than all the rest."""

    def __init__(self, shape: tuple[int, ...], used: Uses, lists: Sequence[tuple[Indices, Indices]]) -> None:
        """`lists` has, for each kind of move, its events, and the value that each concerns."""
        self._cells = used.values.tolist()
        self._lists = []
        self._number = np.full(shape, -1)
        moving = np.zeros(len(used.events), dtype=bool)
        for events, values in lists:
            moving[events] = True
            ends = np.cumsum(np.bincount(events, minlength=len(used.events)))
            self._lists.append((values[np.argsort(events, kind="stable")].tolist(), [0, *ends.tolist()]))
        self._events = used.events[moving]
        self._number[tuple(self._events.T)] = np.flatnonzero(moving)

    def __getitem__(self, cell: Cell) -> Moves:
        event = self._number[cell]
        if event < 0:
            raise KeyError(cell)
        return Moves(*(self._of(event, values, ends) for values, ends in self._lists))

    def _of(self, event: int, values: list[int], ends: list[int]) -> tuple[Cell, ...]:
        """The cells that wrote what one kind of move concerns at an event."""
        return tuple((self._cells[v][0], self._cells[v][1]) for v in values[ends[event] : ends[event + 1]])

    def __iter__(self) -> Iterator[Cell]:
        return ((step, column) for step, column in self._events.tolist())

    def __len__(self) -> int:
        return len(self._events)
