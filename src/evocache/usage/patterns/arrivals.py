"""How long until a key is asked for again: histograms of the seconds between, by class of key."""

from __future__ import annotations

import math
from collections import OrderedDict

import numpy as np

from .settings import Key, check_alike, check_least

PER_OCTAVE = 4
"""Bins in which times double: a bin is 19 % wide."""

_FIRST, _LAST = -10 * PER_OCTAVE, 24 * PER_OCTAVE
"""Bins from a millisecond to half a year; what is outside counts in the outermost."""


class GapHistogram:
    """Counts times by their logarithm. Merging is exact."""

    def __init__(self) -> None:
        self.counts = np.zeros(_LAST - _FIRST + 1, np.int64)

    def add(self, seconds: float) -> None:
        """Count a time, in seconds from 0."""
        place = math.ceil(PER_OCTAVE * math.log2(seconds)) if seconds > 0 else _FIRST
        self.counts[min(max(place, _FIRST), _LAST) - _FIRST] += 1

    def __len__(self) -> int:
        return int(self.counts.sum())

    @staticmethod
    def edges() -> list[float]:
        """Return the upper edge of each bin, in seconds."""
        return [2.0 ** (place / PER_OCTAVE) for place in range(_FIRST, _LAST + 1)]

    def quantile(self, share: float) -> float:
        """Return seconds that this share of times is within: the upper edge of a bin; nan without any."""
        if not len(self):
            return math.nan
        place = int(np.searchsorted(np.cumsum(self.counts), share * len(self)))
        return self.edges()[min(place, len(self.counts) - 1)]

    def share_within(self, seconds: float) -> float:
        """Return the share of times in bins that end by then; nan without any."""
        ends = np.asarray(self.edges()) <= seconds * (1 + 1e-12)
        return float(self.counts[ends].sum() / len(self)) if len(self) else math.nan

    def merge(self, other: GapHistogram) -> None:
        """Add what another has counted."""
        self.counts += other.counts


class Arrivals:
    """Measures the times between requests for the same key, by class of key.

    Merging what came later is exact while no key was forgotten.

    Args:
        most: keys that are remembered; the ones that were asked for longest ago are forgotten, and their next gap.
    """

    def __init__(self, most: int = 65536) -> None:
        check_least("most", most, 1)
        self.most = most
        self.gaps: dict[str, GapHistogram] = {}
        """Times between requests, by class."""
        self._seen: OrderedDict[Key, tuple[float, float, str]] = OrderedDict()  # first time, last, first class

    def add(self, key: Key, time: float, kind: str = "") -> float | None:
        """Note a request.

        Args:
            key: what was asked for.
            time: in seconds.
            kind: class that the gap before it belongs to, such as that of its owner's habits.

        Returns:
            Seconds since the key was asked for; None if it was not, or is forgotten.
        """
        first, last, first_kind = self._seen.pop(key, (time, None, kind))
        self._seen[key] = first, time, first_kind
        if len(self._seen) > self.most:
            self._seen.popitem(last=False)
        if last is None:
            return None
        gap = max(0.0, time - last)
        self._of(kind).add(gap)
        return gap

    def _of(self, kind: str) -> GapHistogram:
        return self.gaps.setdefault(kind, GapHistogram())

    def merge(self, other: Arrivals) -> None:
        """Add what another has seen of later requests; a gap between the two counts as well.

        Raises:
            UsageError: if it remembers another number of keys.
        """
        check_alike("most", self.most, other.most)
        for kind, gaps in other.gaps.items():
            self._of(kind).merge(gaps)
        for key, (first, last, kind) in other._seen.items():
            mine = self._seen.pop(key, None)
            if mine is not None:
                self._of(kind).add(max(0.0, first - mine[1]))
            self._seen[key] = (mine[0], last, mine[2]) if mine else (first, last, kind)
        while len(self._seen) > self.most:
            self._seen.popitem(last=False)
