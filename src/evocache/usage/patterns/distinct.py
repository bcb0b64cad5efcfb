"""How many different keys there were, within windows, in a few kilobytes."""

from __future__ import annotations

import math

import numpy as np

from .settings import Key, check_alike, check_least, hash64


class HyperLogLog:
    """Estimates the number of different keys; the standard error is 1.04 / sqrt(2 ** precision).

    Merging is exact: it gives what counting all in one would have given. (Flajolet et al., 2007; the estimator is
    Ertl's, arXiv 1702.01284, algorithm 6, which has no bias for few keys.)

    Args:
        precision: 2 to the power of it are the bytes that it takes; 12 has an error of 1.6 %.
    """

    def __init__(self, precision: int = 12) -> None:
        check_least("precision", precision, 4)
        self.precision = precision
        self._registers = bytearray(1 << precision)

    def add(self, key: Key) -> None:
        """Count a key, if it was not counted before."""
        hashed = hash64(key)
        rest = 64 - self.precision
        place, tail = hashed >> rest, hashed & ((1 << rest) - 1)
        rank = rest - tail.bit_length() + 1
        if rank > self._registers[place]:
            self._registers[place] = rank

    def estimate(self) -> float:
        """Return the number of different keys."""
        size, rest = len(self._registers), 64 - self.precision
        ranks = np.bincount(np.frombuffer(self._registers, np.uint8), minlength=rest + 2)
        if ranks[0] == size:
            return 0.0
        total = size * _tau(1 - ranks[rest + 1] / size)
        for rank in range(rest, 0, -1):
            total = 0.5 * (total + ranks[rank])
        total += size * _sigma(ranks[0] / size)
        return float(size * size / (2 * math.log(2) * total))

    def merge(self, other: HyperLogLog) -> None:
        """Add the keys that another has counted.

        Raises:
            UsageError: if its precision differs.
        """
        check_alike("precision", self.precision, other.precision)
        mine, theirs = (np.frombuffer(one._registers, np.uint8) for one in (self, other))
        self._registers = bytearray(np.maximum(mine, theirs).tobytes())


def _sigma(share: float) -> float:
    power, factor, total = share, 1.0, share
    while True:
        power *= power
        before, total = total, total + power * factor
        factor += factor
        if total == before:
            return total


def _tau(share: float) -> float:
    if share in (0.0, 1.0):
        return 0.0
    root, factor, total = share, 1.0, 1 - share
    while True:
        root, factor = math.sqrt(root), factor / 2
        before, total = total, total - (1 - root) ** 2 * factor
        if total == before:
            return total / 3


class WorkingSet:
    """Estimates how many different keys were asked for within the last so many requests, or seconds.

    Merging is exact. A window reaches back by up to a pane more than was asked for.

    Args:
        window: the longest that is asked for, in the units of `now`.
        panes: parts of it that are counted apart.
        precision: as of `HyperLogLog`.
    """

    def __init__(self, window: float, panes: int = 8, precision: int = 12) -> None:
        check_least("window", window, 1e-9)
        check_least("panes", panes, 1)
        self.window, self.panes, self.precision = window, panes, precision
        self._width = window / panes
        self._counted: dict[int, HyperLogLog] = {}

    def add(self, key: Key, now: float) -> None:
        """Count a request at a time, or as the `now`-th."""
        pane = int(now // self._width)
        if pane not in self._counted:
            self._counted[pane] = HyperLogLog(self.precision)
            self._forget()
        if pane in self._counted:
            self._counted[pane].add(key)

    def _forget(self) -> None:
        newest = max(self._counted)
        for pane in [pane for pane in self._counted if pane < newest - self.panes]:
            del self._counted[pane]

    def estimate(self, now: float, window: float | None = None) -> float:
        """Return the number of different keys within a window up to now; the longest if none is given."""
        first = int((now - (self.window if window is None else min(window, self.window))) // self._width)
        whole = HyperLogLog(self.precision)
        for pane, counted in self._counted.items():
            if first <= pane <= now // self._width:
                whole.merge(counted)
        return whole.estimate()

    def merge(self, other: WorkingSet) -> None:
        """Add the keys that another has counted, by the same `now`.

        Raises:
            UsageError: if its settings differ.
        """
        settings = [(one.window, one.panes, one.precision) for one in (self, other)]
        check_alike("window, panes and precision", *settings)
        for pane, counted in other._counted.items():
            self._counted.setdefault(pane, HyperLogLog(self.precision)).merge(counted)
        if self._counted:
            self._forget()
