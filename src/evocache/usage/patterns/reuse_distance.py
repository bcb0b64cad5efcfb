"""What more room would gain: the hit rate of an LRU cache of any number of bytes, from a sample of keys."""

from __future__ import annotations

import math
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .byte_stack import ByteStack
from .settings import Key, check_alike, check_least, hash64

PER_OCTAVE = 8
"""Bins in which bytes double: a bin is 9 % wide."""

_BINS = 56 * PER_OCTAVE
_ALL = 1 << 64


class ReuseDistances:
    """Measures reuse distances: bytes of the different keys that were asked for since a key was, itself included.

    An LRU cache of so many bytes holds a key whose distance is no more. All keys are measured while there are up to
    `most`; then those with the lowest hashes, whose distances are scaled up (SHARDS of fixed size, with its adjustment:
    Waldspurger et al., FAST 2015). Merging what came later is exact while all keys are
    measured and the answers of a key are of one size.

    Args:
        most: keys that are measured.
    """

    def __init__(self, most: int = 8192) -> None:
        check_least("most", most, 1)
        self.most = most
        self.requests = 0
        """All requests, also of keys that are not measured."""
        self._threshold = _ALL
        self._stack = ByteStack()
        self._firsts: dict[Key, tuple[int, float]] = {}  # by key in order, bytes and weight of its first request
        self._hashes: list[tuple[int, Key]] = []  # the highest first
        self._weights = np.zeros(_BINS + 1)
        self._cold = 0.0

    @property
    def rate(self) -> float:
        """Share of keys that are measured."""
        return self._threshold / _ALL

    def add(self, key: Key, size: int) -> None:
        """Note a request for a key whose answer has so many bytes."""
        self.requests += 1
        hashed = hash64(key)
        if hashed >= self._threshold:
            return
        weight = 1 / self.rate
        new = key not in self._stack
        self._refer(key, size, weight)
        if new:
            self._cold += weight
            self._hold(key, hashed, size, weight)

    def _refer(self, key: Key, size: int, weight: float) -> bool:
        above = self._stack.touch(key, size)
        if above is None:
            return False
        distance = above / self.rate + size
        place = math.ceil(PER_OCTAVE * math.log2(distance) - 1e-9) if distance > 1 else 0
        self._weights[min(place, _BINS)] += weight
        return True

    def _hold(self, key: Key, hashed: int, size: int, weight: float) -> None:
        self._firsts[key] = size, weight
        heappush(self._hashes, (-hashed, key))
        while len(self._stack) > self.most:
            self._measure_below(-self._hashes[0][0])

    def _measure_below(self, threshold: int) -> None:
        """Measure only keys whose hash is below a threshold."""
        self._threshold = min(self._threshold, threshold)
        while self._hashes and -self._hashes[0][0] >= self._threshold:
            _, key = heappop(self._hashes)
            self._stack.remove(key)
            del self._firsts[key]

    def hit_rates(self, max_bytes: ArrayLike) -> NDArray[np.float64]:
        """Return the share of requests that an LRU cache would have answered.

        Args:
            max_bytes: rooms, in bytes; exact at 2 to the power of eighths, and otherwise that of the next lower one.
        """
        rooms = np.asarray(max_bytes, np.float64)
        if not self.requests:
            return np.zeros(rooms.shape)
        weights = self._weights.copy()
        # sampled keys stand for more or fewer requests than there were: SHARDS-adj mends it at the shortest distances
        shortest = int(np.argmax(weights > 0))
        weights[shortest] += self.requests - (self._weights.sum() + self._cold)
        reached = np.floor(PER_OCTAVE * np.log2(np.maximum(rooms, 2**-20)) + 1e-9).astype(np.int64)
        summed = np.concatenate(([0.0], np.cumsum(weights)))
        rates = summed[np.clip(reached + 1, 0, _BINS + 1)] / self.requests
        return np.asarray(np.clip(rates, 0.0, 1.0))

    def rooms(self) -> list[int]:
        """Return the bytes at which the hit rate changes, each twice the one before, from the least to the most."""
        used = np.flatnonzero(self._weights)
        if not used.size:
            return []
        first, last = used[0] // PER_OCTAVE, -(-used[-1] // PER_OCTAVE)
        return [1 << int(power) for power in range(first, last + 1)]

    def merge(self, other: ReuseDistances) -> None:
        """Add what another has measured of later requests; the other stays as it is.

        Distances that reach back into what came before are measured as if all had been one stream.

        Raises:
            UsageError: if it measures another number of keys.
        """
        check_alike("most", self.most, other.most)
        self._measure_below(min(self._threshold, other._threshold))
        self.requests += other.requests
        self._weights += other._weights
        self._cold += other._cold
        kept = {key: first for key, first in other._firsts.items() if hash64(key) < self._threshold}
        for key, (size, weight) in kept.items():
            if self._refer(key, size, weight):
                self._cold -= weight
            else:
                self._firsts[key] = size, weight
                self._hashes.append((-hash64(key), key))
        for key, size in other._stack:
            if key in kept:
                self._stack.touch(key, size)
        heapify(self._hashes)
        while len(self._stack) > self.most:
            self._measure_below(-self._hashes[0][0])
