"""Counts of keys that age: what is asked for now counts more than what was."""

from __future__ import annotations

import math
from heapq import heapify, heappop, heappush, heapreplace

from .settings import Key, check_alike, check_least

_FAR = 500.0
"""Half-lives after which weights are brought down again, so that they stay finite."""


class AgedCounts:
    """Counts the most frequent keys; a request counts half after `half_life` further requests.

    A count is never below the true aged count, and above it by no more than `error`. That is Space-Saving (Metwally et
    al., ICDT 2005) with forward decay (Cormode et al., ICDE 2009); the error is at most a `most`-th of all requests
    (their aged number), and three times that after a merge. Counts are exact while there are no more than `most` keys.

    Args:
        half_life: requests; None to count all alike.
        most: keys that are counted at once.
    """

    def __init__(self, half_life: float | None = 2000.0, most: int = 4096) -> None:
        check_least("most", most, 1)
        check_least("half_life", math.inf if half_life is None else half_life, 1e-9)
        self.half_life, self.most = half_life, most
        self._base = 0.0
        self._floor = 0.0  # no key that is not counted has more
        self._total = 0.0
        self._counts: dict[Key, list[float]] = {}  # count and error, in weights of the base
        self._heap: list[tuple[float, int, Key]] = []  # counts as they were at some time, the least first
        self._serial = 0

    def __len__(self) -> int:
        return len(self._counts)

    def _weight(self, now: float) -> float:
        return 1.0 if self.half_life is None else 2.0 ** ((now - self._base) / self.half_life)

    def _rebase(self, now: float) -> None:
        """Express all weights as of another time."""
        if self.half_life is None or now == self._base:
            return
        factor = 2.0 ** max(-1074.0, (self._base - now) / self.half_life)
        self._base = float(now)
        self._floor *= factor
        self._total *= factor
        for pair in self._counts.values():
            pair[0] *= factor
            pair[1] *= factor
        self._build()

    def _build(self) -> None:
        self._heap = [(pair[0], serial, key) for serial, (key, pair) in enumerate(self._counts.items())]
        self._serial = len(self._heap)
        heapify(self._heap)

    def add(self, key: Key, now: float, weight: float = 1.0) -> None:
        """Count a request.

        Args:
            key: what was asked for.
            now: number of requests so far; it may not be far below what it was before.
            weight: how much the request counts.
        """
        if self.half_life is not None and now - self._base > _FAR * self.half_life:
            self._rebase(now)
        more = weight * self._weight(now)
        self._total += more
        pair = self._counts.get(key)
        if pair is not None:
            pair[0] += more
            return
        if len(self._counts) >= self.most:
            self._drop()
        self._counts[key] = [self._floor + more, self._floor]
        self._serial += 1
        heappush(self._heap, (self._floor + more, self._serial, key))

    def _drop(self) -> None:
        """Forget the key with the least count."""
        while True:
            seen, serial, key = self._heap[0]
            count = self._counts[key][0]
            if count == seen:
                heappop(self._heap)
                del self._counts[key]
                self._floor = max(self._floor, count)
                return
            heapreplace(self._heap, (count, serial, key))

    def count(self, key: Key, now: float) -> float:
        """Return the aged number of requests for a key, at most; that of a key that is not counted is 0."""
        pair = self._counts.get(key)
        return pair[0] / self._weight(now) if pair else 0.0

    def error(self, key: Key, now: float) -> float:
        """Return by how much the count may be too high; of a key that is not counted, by how much too low."""
        pair = self._counts.get(key)
        return (pair[1] if pair else self._floor) / self._weight(now)

    def total(self, now: float) -> float:
        """Return the aged number of all requests."""
        return self._total / self._weight(now)

    def top(self, most: int, now: float) -> list[tuple[Key, float]]:
        """Return the keys with the highest counts, and these."""
        weight = self._weight(now)
        ranked = sorted(self._counts.items(), key=lambda item: -item[1][0])
        return [(key, pair[0] / weight) for key, pair in ranked[:most]]

    def merge(self, other: AgedCounts) -> None:
        """Add what another has counted, by the same numbering of requests; the other stays as it is.

        Raises:
            UsageError: if its settings differ.
        """
        check_alike("half_life and most", (self.half_life, self.most), (other.half_life, other.most))
        self._rebase(max(self._base, other._base))
        factor = 1.0 if self.half_life is None else 2.0 ** max(-1074.0, (other._base - self._base) / self.half_life)
        theirs = {key: (count * factor, error * factor) for key, (count, error) in other._counts.items()}
        floor = other._floor * factor
        both = {}
        for key in self._counts.keys() | theirs.keys():
            a, b = self._counts.get(key, (self._floor, self._floor)), theirs.get(key, (floor, floor))
            both[key] = [a[0] + b[0], a[1] + b[1]]
        ranked = sorted(both.items(), key=lambda item: -item[1][0])
        self._floor = max([self._floor + floor, *(pair[0] for _, pair in ranked[self.most : self.most + 1])])
        self._total += other._total * factor
        self._counts = dict(ranked[: self.most])
        self._build()
