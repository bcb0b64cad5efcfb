"""Which features leave the device between two uses, so that what stays fits a capacity. Pure.

Events are the writes and reads of features in the order in which they happen. A value stays on the device from its
write to its last read, but for the gaps between two uses in which it is parked. It leaves `ahead` events after a use,
when it has been written out, and is counted again from `ahead` events before the next, when it starts coming back.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Life(NamedTuple):
    """A stored value.

    Attributes:
        size: bytes.
        uses: events at which it is written and read, increasing; the first is its write, the last its last read.
    """

    size: int
    uses: tuple[int, ...]


class Gap(NamedTuple):
    """Value `value` is parked between its uses number `use` and `use + 1`."""

    value: int
    use: int


class Swaps(NamedTuple):
    """What is parked, and what that leaves on the device.

    Attributes:
        gaps: the gaps in which values are parked.
        peak: most bytes on the device at one event.
        moved: bytes written out (once a value) and read back (once a gap).
    """

    gaps: tuple[Gap, ...]
    peak: int
    moved: int


def swaps(lives: Sequence[Life], capacity: int, ahead: int) -> Swaps:
    """The fewest gaps, of values of one size, that bring the peak down to a capacity; or as near as gaps can.

    Events are gone through in order. Where too much is held, the gap that ends last of those that are open there is
    parked (Belady's rule, 1966), which for values of one size is optimal: of any other choice, no later event is
    relieved more. Of values of several sizes, gaps that turn out not to be needed are given up again.

    Args:
        lives: the values.
        capacity: bytes.
        ahead: events between a use and the moment from which a parked value is away, and back.
    """
    table = _Gaps.of(lives, ahead)
    held = _held(lives)
    chosen = _choose(table, held, capacity)
    if len({life.size for life in lives}) > 1:
        chosen = _needed(table, held, capacity, chosen)
    after = held - table.relief(chosen, len(held))
    written = {table.value[i] for i in chosen}
    moved = sum(lives[v].size for v in written) + int(table.size[chosen].sum())
    gaps = tuple(sorted(Gap(int(table.value[i]), int(table.use[i])) for i in chosen))
    return Swaps(gaps, int(after.max(initial=0)), moved)


def held(lives: Sequence[Life], gaps: Sequence[Gap], ahead: int) -> npt.NDArray[np.int64]:
    """Bytes on the device at each event, with values parked in gaps."""
    found = _held(lives)
    for value, use in gaps:
        life = lives[value]
        found[life.uses[use] + ahead + 1 : life.uses[use + 1] - ahead] -= life.size
    return found


class _Gaps(NamedTuple):
    """Gaps that would relieve an event: of which value and use, from which event to which, of how many bytes."""

    value: npt.NDArray[np.intp]
    use: npt.NDArray[np.intp]
    start: npt.NDArray[np.intp]
    stop: npt.NDArray[np.intp]
    size: npt.NDArray[np.int64]

    @classmethod
    def of(cls, lives: Sequence[Life], ahead: int) -> _Gaps:
        counts = np.array([len(life.uses) for life in lives], dtype=np.intp)
        flat = np.array([use for life in lives for use in life.uses], dtype=np.intp)
        value = np.repeat(np.arange(len(lives)), counts)
        first = np.cumsum(counts) - counts
        use = np.arange(len(flat)) - np.repeat(first, counts)
        inner = np.flatnonzero(value[:-1] == value[1:]) if len(flat) else np.zeros(0, dtype=np.intp)
        start, stop = flat[inner] + ahead + 1, flat[inner + 1] - ahead
        useful = start < stop
        size = np.array([life.size for life in lives], dtype=np.int64)
        inner = inner[useful]
        found = cls(value[inner], use[inner], start[useful], stop[useful], size[value[inner]])
        order = np.lexsort((found.stop, found.start))
        return cls(*(column[order] for column in found))

    def relief(self, chosen: Sequence[int], events: int) -> npt.NDArray[np.int64]:
        """Bytes that are away at each event if the chosen gaps are parked."""
        change = np.zeros(events + 1, dtype=np.int64)
        np.add.at(change, self.start[chosen], self.size[chosen])
        np.add.at(change, self.stop[chosen], -self.size[chosen])
        return np.cumsum(change)[:-1]


def _held(lives: Sequence[Life]) -> npt.NDArray[np.int64]:
    """Bytes held at each event if nothing is parked."""
    events = 1 + max((life.uses[-1] for life in lives), default=-1)
    change = np.zeros(events + 1, dtype=np.int64)
    np.add.at(change, [life.uses[0] for life in lives], [life.size for life in lives])
    np.add.at(change, [life.uses[-1] + 1 for life in lives], [-life.size for life in lives])
    return np.cumsum(change)[:-1]


def _choose(table: _Gaps, held: npt.NDArray[np.int64], capacity: int) -> list[int]:
    chosen: list[int] = []
    open_: list[tuple[int, int]] = []
    ends: list[tuple[int, int]] = []
    away = 0
    opened = 0
    starts, stops, sizes = table.start.tolist(), table.stop.tolist(), table.size.tolist()
    for event in np.flatnonzero(held > capacity).tolist():
        while ends and ends[0][0] <= event:
            away -= heapq.heappop(ends)[1]
        while opened < len(starts) and starts[opened] <= event:
            heapq.heappush(open_, (-stops[opened], opened))
            opened += 1
        while held[event] - away > capacity and open_ and -open_[0][0] > event:
            stop, gap = heapq.heappop(open_)
            heapq.heappush(ends, (-stop, sizes[gap]))
            away += sizes[gap]
            chosen.append(gap)
    return chosen


def _needed(table: _Gaps, held: npt.NDArray[np.int64], capacity: int, chosen: list[int]) -> list[int]:
    """The chosen gaps without those that may stay as well, the largest of these first."""
    spare = np.maximum(capacity, held - table.relief(chosen, len(held))) - (held - table.relief(chosen, len(held)))
    kept = []
    for gap in sorted(chosen, key=lambda i: -int(table.size[i])):
        over = slice(int(table.start[gap]), int(table.stop[gap]))
        if int(spare[over].min()) >= int(table.size[gap]):
            spare[over] -= table.size[gap]
        else:
            kept.append(gap)
    return kept
