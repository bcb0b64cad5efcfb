"""Gaps between the uses of stored values, and which of them are parked to meet a capacity: any one, of the same gaps.

The choice goes through all events in order, which numpy cannot do; so all that can be said of gaps beforehand is, and
what is left is a row of marks, one for each gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .lifetimes import Bytes, Indices, Life, Lives, ramps, sorted_by

LOOKED_AT = 64
"""Gaps that are looked at one by one before the others are looked at together again."""


class Moved(NamedTuple):
    """Bytes that are moved.

    Attributes:
        written: to the tier below, once a value.
        read: back from it, once a gap.
    """

    written: int = 0
    read: int = 0

    @property
    def bytes(self) -> int:
        """Both together."""
        return sum(self)


class Parked(NamedTuple):
    """What is parked, and what that leaves on the device.

    Attributes:
        gaps: the gaps in which values are parked: numbers of the uses after which they come, in `Lives.uses`.
        peak: most bytes on the device at one event.
        moved: bytes that are moved.
    """

    gaps: Indices
    peak: int
    moved: Moved


@dataclass(frozen=True, eq=False)
class Gaps:
    """The gaps that would relieve an event, those that end last first; of equal ones, those that begin first.

    Attributes:
        lives: the values.
        gaps: numbers of the uses after which gaps come, in `Lives.uses`.
        value: whose gaps they are.
        start: the first event at which the value may be away.
        stop: the event at which it is back.
        size: bytes.
        opening: the gaps in the order in which they begin.
        held: bytes held at each event if nothing is parked.
    """

    lives: Lives
    gaps: Indices
    value: Indices
    start: Indices
    stop: Indices
    size: Bytes
    opening: Indices
    held: Bytes

    @classmethod
    def of(cls, lives: Lives | Sequence[Life], ahead: int) -> Gaps:
        """Return the gaps of values that are away from so many events after a use to so many before the next."""
        lives = Lives.of(lives)
        inner = np.ones(len(lives.uses), dtype=bool)
        inner[lives.first[1:] - 1] = False
        inner[:-1] &= lives.uses[:-1] + 2 * ahead + 1 < lives.uses[1:]
        gaps = np.flatnonzero(inner)
        gaps = gaps[sorted_by(lives.uses[gaps])]
        last = sorted_by(-lives.uses[gaps + 1])
        opening = np.empty_like(last)
        opening[last] = np.arange(len(last))
        gaps = gaps[last]
        value = lives.value(gaps)
        start, stop = lives.uses[gaps] + ahead + 1, lives.uses[gaps + 1] - ahead
        return cls(lives, gaps, value, start, stop, lives.sizes[value], opening, lives.held())

    @cached_property
    def whole(self) -> int:
        """Most bytes held at one event if nothing is parked."""
        return int(self.held.max(initial=0))

    @cached_property
    def every(self) -> int:
        """Bytes of all gaps: what is read back if all are parked."""
        return int(self.size.sum())

    @cached_property
    def largest(self) -> int:
        """Bytes of the largest gap."""
        return int(self.size.max(initial=0))

    @cached_property
    def least(self) -> int:
        """Most bytes held at one event if all gaps are parked: the least capacity that can be met."""
        return int(self._left(np.arange(len(self.gaps))).max(initial=0))

    def to(self, capacity: int) -> Parked:
        """Return what is parked to bring the peak down to a capacity, or as near as can be."""
        chosen = self._furthest(capacity)
        if len(chosen) and np.ptp(self.size[chosen]):
            chosen = self._needed(capacity, chosen)
        written = np.zeros(len(self.lives), dtype=bool)
        written[self.value[chosen]] = True
        moved = Moved(int(self.lives.sizes[written].sum()), int(self.size[chosen].sum()))
        return Parked(np.sort(self.gaps[chosen]), int(self._left(chosen).max(initial=0)), moved)

    def _left(self, chosen: Indices) -> Bytes:
        """Bytes that stay at each event if the chosen gaps are parked."""
        return self.held - ramps(self.start[chosen], self.stop[chosen], self.size[chosen], len(self.held))

    def _furthest(self, capacity: int) -> Indices:
        """At each event at which too much is held, of the gaps that are open there those that end last."""
        tight = self.held > capacity
        before = np.concatenate([[0], np.cumsum(tight)])  # tight events before each event
        begin, end = before[self.start], before[self.stop]
        opening = self.opening[(begin < end)[self.opening]]
        opened = np.cumsum(np.bincount(begin[opening], minlength=int(before[-1])))
        over = self.held[tight] - capacity
        columns = (over, opened, opening, end, self.size)  # as views: lists of as many numbers take longer to make
        return np.array(_furthest(*(column.data for column in columns)), dtype=np.intp)

    def _needed(self, capacity: int, chosen: Indices) -> Indices:
        """The chosen gaps without those that may stay as well, the largest of these first."""
        spare = np.maximum(capacity - self._left(chosen), 0)
        asked, given = chosen[np.argsort(-self.size[chosen], kind="stable")], []
        while len(asked):
            # what has no room now will not have any later
            asked = asked[_least(spare, self.start[asked], self.stop[asked]) >= self.size[asked]]
            for gap in asked[:LOOKED_AT].tolist():
                over = spare[self.start[gap] : self.stop[gap]]
                if over.min() >= self.size[gap]:
                    over -= self.size[gap]
                    given.append(gap)
            asked = asked[LOOKED_AT:]
        return np.setdiff1d(chosen, np.array(given, dtype=np.intp), assume_unique=True)


def _furthest(
    over: Sequence[int], opened: Sequence[int], opening: Sequence[int], end: Sequence[int], size: Sequence[int]
) -> list[int]:
    """Belady's rule (1966) on gaps of which the one that ends last has the lowest number.

    Args:
        over: bytes by which too much is held, at each event in question.
        opened: how many gaps have begun by then.
        opening: gaps in the order in which they begin.
        end: the event in question at which each gap has ended.
        size: bytes of each gap.
    """
    chosen: list[int] = []
    marks = bytearray(len(size))  # 1 where a gap has begun and was not chosen
    least = len(marks)  # no gap before this is marked
    back = [0] * (len(over) + 1)
    away = done = 0
    find, choose = marks.find, chosen.append
    for event, excess in enumerate(over):
        away -= back[event]
        if away >= excess:
            continue
        for gap in opening[done : opened[event]]:
            marks[gap] = 1
            if gap < least:
                least = gap
        done = opened[event]
        while away < excess:
            gap = find(1, least)
            until = end[gap] if gap >= 0 else event
            if until <= event:
                least = len(marks)  # what is marked has ended, as has all that ends before it
                break
            marks[gap] = 0
            least = gap
            bytes_ = size[gap]
            away += bytes_
            back[until] += bytes_
            choose(gap)
    return chosen


def _least(values: Bytes, start: Indices, stop: Indices) -> npt.NDArray[np.int64]:
    """The least value in each of many stretches, from tables of the least in all stretches of 1, 2, 4... events."""
    found = np.empty(len(start), dtype=np.int64)
    level = np.frexp(stop - start)[1] - 1  # of the largest power of two that fits
    for power in range(int(level.max(initial=-1)) + 1):
        here = level == power
        found[here] = np.minimum(values[start[here]], values[stop[here] - (1 << power)])
        values = np.minimum(values[: -(1 << power)], values[1 << power :])
    return found
