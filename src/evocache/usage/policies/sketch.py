"""How often keys were asked for lately, in a few bytes a key: TinyLFU's sketch."""

from __future__ import annotations

from random import Random

_WORD = 2**64 - 1
_MOST = 15
"""Counters end here, as those of four bits do."""

_HALVES = bytes(count // 2 for count in range(256))


class FrequencySketch:
    """Counts requests by key, too high at times where keys collide, and halves all counts at the end of each sample.

    The first request of a key in a sample is noted in a Bloom filter, the doorkeeper; further ones in a count-min
    sketch with minimal increment. Einziger, Friedman and Manes, TinyLFU, 2015 (arXiv:1512.00727), section 3.

    Args:
        seed: seeds the hash, so that nobody can choose keys that collide.
    """

    SAMPLE = 10
    """Requests of a sample, by entry that the cache holds: W = 10 C."""

    def __init__(self, seed: int = 0) -> None:
        random = Random(seed)
        self._salt, self._factor = random.getrandbits(64), random.getrandbits(64) | 1
        self._width = 256
        self._rows = [bytearray(self._width) for _ in range(4)]
        self._door = bytearray(self._width // 2)  # of 4 x width bits
        self._counted = 0

    def record(self, key: int, entries: int) -> None:
        """Count a request.

        Args:
            key: its digest.
            entries: number of entries that the cache holds; the sketch and its samples grow with it.
        """
        if 4 * entries > self._width:
            self._grow()
        self._counted += 1
        if self._counted >= self.SAMPLE * max(entries, 16):
            self._age()
        start, step = self._hash(key)
        if not self._enter(start, step):
            return
        first, second, third, fourth = self._rows
        i, j, k, m = self._cells(start, step)
        least = min(first[i], second[j], third[k], fourth[m])
        if least < _MOST:
            for row, cell in ((first, i), (second, j), (third, k), (fourth, m)):
                if row[cell] == least:  # minimal increment
                    row[cell] = least + 1

    def estimate(self, key: int) -> int:
        """Return how often a key was asked for lately; never too low within a sample, but for counts above 15."""
        start, step = self._hash(key)
        first, second, third, fourth = self._rows
        i, j, k, m = self._cells(start, step)
        least = min(first[i], second[j], third[k], fourth[m])
        i, j, k = self._bits(start, step)
        door = self._door
        return least + (door[i >> 3] >> (i & 7) & door[j >> 3] >> (j & 7) & door[k >> 3] >> (k & 7) & 1)

    def forget(self, key: int) -> None:
        """Take a key's requests out again; keys that collide with it may be counted too low for it."""
        start, step = self._hash(key)
        places = [*zip(self._rows, self._cells(start, step), strict=True)]
        least = min(row[cell] for row, cell in places)
        for row, cell in places:
            row[cell] -= least
        for bit in self._bits(start, step):
            self._door[bit >> 3] &= ~(1 << (bit & 7))

    def _enter(self, start: int, step: int) -> bool:
        """Note a key in the doorkeeper; return whether it was there."""
        known, door = True, self._door
        for bit in self._bits(start, step):
            if not door[bit >> 3] >> (bit & 7) & 1:
                known = False
                door[bit >> 3] |= 1 << (bit & 7)
        return known

    def _cells(self, start: int, step: int) -> tuple[int, int, int, int]:
        """Return the cells of a key, one a row."""
        mask = self._width - 1
        return start & mask, (start + step) & mask, (start + 2 * step) & mask, (start + 3 * step) & mask

    def _bits(self, start: int, step: int) -> tuple[int, int, int]:
        """Return the bits of a key in the doorkeeper."""
        mask = 4 * self._width - 1
        return (start + 4 * step) & mask, (start + 5 * step) & mask, (start + 6 * step) & mask

    def _hash(self, key: int) -> tuple[int, int]:
        """Return two halves of a hash, of which all places are made (Kirsch and Mitzenmacher, 2008)."""
        mixed = (key ^ self._salt) * self._factor & _WORD
        mixed = (mixed ^ mixed >> 32) * 0x9E3779B97F4A7C15 & _WORD
        return mixed >> 32, mixed & 0xFFFFFFFF | 1

    def _grow(self) -> None:
        """Double all tables. A place is a number modulo the width, and so a table twice holds every count as before."""
        self._width *= 2
        self._rows = [row * 2 for row in self._rows]
        self._door *= 2

    def _age(self) -> None:
        """Halve all counts and empty the doorkeeper: section 3.3, reset."""
        self._counted //= 2
        self._rows = [bytearray(row.translate(_HALVES)) for row in self._rows]
        self._door = bytearray(len(self._door))
