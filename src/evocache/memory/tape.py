"""The tape: at which event of a branch which of its features start leaving, are gone, and start coming back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..schedule import Schedule, liveness
from .swap import Life, swaps

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
        """The tape that brings a branch's features down to a capacity, or as near as swapping can.

        Args:
            schedule: what the branch follows.
            sizes: bytes of one stored value, by component id.
            order: component ids in order of execution.
            capacity: bytes.
            ahead: events that a move is started ahead of its need.
        """
        events, values, lives = uses(schedule, sizes, order)
        found = swaps(lives, capacity, ahead)
        moves: dict[Cell, list[list[Cell]]] = {}

        def at(event: int, what: int, value: Cell) -> None:
            if event < len(events):
                moves.setdefault(events[event], [[], [], []])[what].append(value)

        for gap in found.gaps:
            now, then = lives[gap.value].uses[gap.use : gap.use + 2]
            at(now + 1, 0, values[gap.value])
            at(now + ahead + 1, 1, values[gap.value])
            at(then - ahead, 2, values[gap.value])
        return cls(
            {event: Moves(*map(tuple, lists)) for event, lists in moves.items()},
            found.peak,
            found.moved,
        )


def uses(
    schedule: Schedule, sizes: Mapping[str, int], order: Sequence[str]
) -> tuple[list[Cell], list[Cell], list[Life]]:
    """Events in order, values, and at which events each value is used.

    Within a step components come in their order of execution, as `liveness.peak_bytes` has it.
    """
    ids = [c.id for c in schedule.components]
    rank = {id: i for i, id in enumerate(order)}
    used: dict[Cell, list[Cell]] = {}
    for (step, column), born in liveness.reads(schedule).items():
        for b in born:
            used.setdefault((b, column), [(b, column)]).append((step, column))
    cells = {cell for cells in used.values() for cell in cells}
    events = sorted(cells, key=lambda cell: (cell[0], rank.get(ids[cell[1]], len(rank) + cell[1])))
    number = {cell: i for i, cell in enumerate(events)}
    values = sorted(used)
    lives = [
        Life(sizes.get(ids[column], 0), tuple(sorted({number[cell] for cell in used[step, column]})))
        for step, column in values
    ]
    return events, values, lives
