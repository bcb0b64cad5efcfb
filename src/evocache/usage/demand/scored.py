"""The policy that evicts what is worth least: a sample of what is held, the newcomer included."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..policies.policy import EvictionPolicy, Item
from .demand import Demand
from .weights import Weights

SAMPLES = 32
"""Entries that are looked at to find one that leaves."""

AHEAD = 32
"""Samples that are drawn at once."""

_NONE = np.zeros(0)


class Scored(EvictionPolicy):
    """Evicts the entry of the lowest score among 32 that are drawn, and the newcomer (sampling as in Redis and LHD).

    Args:
        max_bytes: bytes that may be held.
        seed: seeds the draws.
        weights: of the score; those that the package begins with, if not given.
        demand: what scores are read from, if somebody else notes requests there; its own if not given.
        samples: entries that are drawn.
    """

    name = "scored"
    summary = "the lowest of 32 by a weighted score of demand, the newcomer included"
    paper = "sampled ranking: Beckmann et al., LHD, NSDI 2018; the score is ours"

    def __init__(
        self,
        max_bytes: int,
        *,
        seed: int = 0,
        weights: Weights | None = None,
        demand: Demand | None = None,
        samples: int = SAMPLES,
    ) -> None:
        super().__init__(max_bytes, seed=seed)
        self.weights = weights or Weights()
        self.samples = samples
        self._demand = Demand() if demand is None else demand
        self._notes = demand is None
        self._random = np.random.Generator(np.random.PCG64(seed))
        self._draws = self._random.random(0)
        self._items: list[Item] = []
        self._place: dict[int, int] = {}
        self._rows: NDArray[np.intp] = np.zeros(64, dtype=np.intp)

    @property
    def weights(self) -> Weights:
        """Weights of the score; others may be set at any time."""
        return self._weights

    @weights.setter
    def weights(self, weights: Weights) -> None:
        self._weights, self._factors = weights, weights.factors()

    def __contains__(self, key: object) -> bool:
        return key in self._place

    def __len__(self) -> int:
        return len(self._items)

    def hit(self, key: int, now: int, owner: int = 0) -> None:
        """Note the request, if nobody else does."""
        place = self._place.get(key)
        if place is not None and self._notes:
            held = self._items[place]
            self._demand.note(Item(key, held.size, held.seconds, owner, held.group), now)

    def add(self, item: Item, now: int) -> list[int]:
        """Evict the lowest of samples until the newcomer fits, or is the lowest itself."""
        row = self._demand.note(item, now) if self._notes else self._demand.row(item, now)
        if item.size > self.max_bytes:
            return [item.key]
        gone: list[Item] = []
        over = self.bytes + item.size - self.max_bytes
        while over > 0:
            place = self._lowest(row, now)
            if place < 0:
                for left in gone:  # the newcomer is worth less than what would have left next
                    self._insert(left, self._demand.row(left, now))
                return [item.key]
            gone.append(self._items[place])
            over -= gone[-1].size
            self._take(place)
        self._insert(item, row)
        return [left.key for left in gone]

    def remove(self, key: int) -> None:
        """Forget an entry."""
        place = self._place.get(key)
        if place is not None:
            self._take(place)
        if self._notes:
            self._demand.forget(key)

    def evict(self, key: int) -> None:
        """Let an entry go; its counts are remembered for a while."""
        place = self._place.get(key)
        if place is not None:
            self._take(place)

    def items(self) -> Iterator[Item]:
        """Yield what is held, the lowest score first."""
        rows = self._rows[: len(self._items)]
        order = np.argsort(self._demand.scores(rows, self._demand.now, self._factors), kind="stable")
        return iter([self._items[place] for place in order])

    def _lowest(self, newcomer: int, now: int) -> int:
        """Return the place of the lowest of a sample; -1 for the newcomer."""
        held = len(self._items)
        draws = self._sample() if held > self.samples else _NONE
        return self._demand.lowest(self._rows, held, draws, newcomer, now, self._factors)

    def _sample(self) -> NDArray[np.float64]:
        """Return draws from [0, 1), one an entry that is looked at; many are made at once, which takes less time."""
        if not len(self._draws):
            self._draws = self._random.random(AHEAD * self.samples)
        draws, self._draws = self._draws[: self.samples], self._draws[self.samples :]
        return draws

    def _insert(self, item: Item, row: int) -> None:
        place = len(self._items)
        if place == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._items.append(item)
        self._rows[place] = row
        self._place[item.key] = place
        self.bytes += item.size
        self._demand.keep(row)

    def _take(self, place: int) -> None:
        """Take an entry out; the last one moves to its place."""
        item, last = self._items[place], self._items.pop()
        self._demand.release(int(self._rows[place]))
        del self._place[item.key]
        self.bytes -= item.size
        if last is not item:
            self._items[place] = last
            self._rows[place] = self._rows[len(self._items)]
            self._place[last.key] = place
