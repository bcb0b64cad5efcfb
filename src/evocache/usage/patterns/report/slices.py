"""Requests, hits and different keys, slice by slice of a stream whose length is not known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..distinct import HyperLogLog
from ..settings import Key

TIMES = (1, 10, 60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400, 28 * 86_400, 364 * 86_400, 3640 * 86_400)
"""Widths of slices of time, in seconds, each a multiple of the one before."""

COUNTS = tuple(100 << power for power in range(40))
"""Widths of slices of requests."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a stream.

    Attributes:
        begin: where it begins: a time in seconds, or the number of requests before it.
        requests: how many there were in it.
        hits: those that were answered from a stored result.
        distinct: different keys that were asked for in it, estimated within 3 %.
        known: different keys that were asked for up to its end, likewise.
    """

    begin: float
    requests: int
    hits: int
    distinct: float
    known: float


class _Counts:
    __slots__ = ("hits", "keys", "requests")

    def __init__(self) -> None:
        self.requests = self.hits = 0
        self.keys = HyperLogLog(10)

    def merge(self, other: _Counts) -> None:
        self.requests += other.requests
        self.hits += other.hits
        self.keys.merge(other.keys)


class Slices:
    """Counts slice by slice. Where slices become too many they are made wider, exactly.

    Args:
        widths: of slices, each a multiple of the one before; the narrowest that there is room for is taken.
        most: slices that are held.
    """

    def __init__(self, widths: Sequence[int], most: int = 120) -> None:
        self._widths = iter(widths)
        self.width = next(self._widths)
        """Width of a slice."""
        self.most = most
        self._counts: dict[int, _Counts] = {}

    def add(self, place: float, hit: bool, key: Key = 0) -> None:
        """Count a request at a place, which is a time or the number of requests before it."""
        number = int(place // self.width)
        counts = self._counts.get(number)
        if counts is None:
            counts = self._counts[number] = _Counts()
            self._widen()
        counts.requests += 1
        counts.hits += hit
        if key:
            counts.keys.add(key)

    def _widen(self) -> None:
        while max(self._counts) - min(self._counts) >= self.most:
            width = next(self._widths, None)
            if width is None:
                del self._counts[min(self._counts)]
                continue
            factor, self.width = width // self.width, width
            before, self._counts = self._counts, {}
            for number, counts in before.items():
                mine = self._counts.setdefault(number // factor, counts)
                if mine is not counts:
                    mine.merge(counts)

    def read(self) -> tuple[Slice, ...]:
        """Return the slices in order; those without requests are among them."""
        if not self._counts:
            return ()
        found, so_far = [], HyperLogLog(10)
        for number in range(min(self._counts), max(self._counts) + 1):
            counts = self._counts.get(number) or _Counts()
            so_far.merge(counts.keys)
            known = so_far.estimate()
            begin = float(number * self.width)
            found.append(Slice(begin, counts.requests, counts.hits, counts.keys.estimate(), known))
        return tuple(found)
