"""The lowest rank leaves: what policies share that differ in their rank alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from heapq import heapify, heappop, heappush, heapreplace

from ..policy import EvictionPolicy, Item


class _Entry:
    """What is held: its rank, and the number of its last use; the heap may still know older ones."""

    __slots__ = ("count", "item", "rank", "used")

    def __init__(self, item: Item, rank: float, used: int) -> None:
        self.item = item
        self.count = 1
        self.rank = rank
        self.used = used


class Ranked(EvictionPolicy):
    """Evicts the entry of the lowest rank; of equal ranks, the least recently used.

    A rank never falls while an entry is held. So a hit leaves the heap alone: each entry stands in it once, at its
    present rank or a former, lower one, and is moved when it comes to the top.
    """

    def __init__(self, max_bytes: int, *, seed: int = 0) -> None:
        super().__init__(max_bytes, seed=seed)
        self._entries: dict[int, _Entry] = {}
        self._heap: list[tuple[float, int, _Entry]] = []
        self._uses = 0

    @abstractmethod
    def _rank(self, item: Item, count: int) -> float:
        """Return the rank of an entry that was asked for `count` times, its first time included."""

    def _note_eviction(self, rank: float) -> None:
        """Note the rank of the lowest entry, which leaves."""

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def hit(self, key: int, now: int, owner: int = 0) -> None:
        """Count the request, and rank the entry anew."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.count += 1
            entry.rank = self._rank(entry.item, entry.count)
            self._uses += 1
            entry.used = self._uses

    def add(self, item: Item, now: int) -> list[int]:
        """Evict the lowest until the newcomer fits, whatever the newcomer's own rank."""
        if item.size > self.max_bytes:
            return [item.key]
        gone = []
        while self.bytes + item.size > self.max_bytes:
            left = self._lowest()
            heappop(self._heap)
            del self._entries[left.item.key]
            self.bytes -= left.item.size
            self._note_eviction(left.rank)
            gone.append(left.item.key)
        self._uses += 1
        entry = _Entry(item, self._rank(item, 1), self._uses)
        self._entries[item.key] = entry
        heappush(self._heap, (entry.rank, entry.used, entry))
        self.bytes += item.size
        return gone

    def remove(self, key: int) -> None:
        """Forget an entry with its count."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry.item.size
            if len(self._heap) > 2 * len(self._entries) + 64:  # mostly such that were removed
                self._heap = [(e.rank, e.used, e) for e in self._entries.values()]
                heapify(self._heap)

    def evict(self, key: int) -> None:
        """Let an entry go to make room."""
        if key in self._entries:
            lowest = self._lowest()
            if lowest.item.key == key:
                self._note_eviction(lowest.rank)
            self.remove(key)

    def items(self) -> Iterator[Item]:
        """Yield what is held, the lowest rank first."""
        ranks = sorted((entry.rank, entry.used, entry) for entry in self._entries.values())
        return (entry.item for _, _, entry in ranks)

    def _lowest(self) -> _Entry:
        """Return the entry of the lowest rank, which is the heap's top afterwards."""
        while True:
            _, used, entry = self._heap[0]
            if self._entries.get(entry.item.key) is not entry:
                heappop(self._heap)
            elif used != entry.used:
                heapreplace(self._heap, (entry.rank, entry.used, entry))
            else:
                return entry
