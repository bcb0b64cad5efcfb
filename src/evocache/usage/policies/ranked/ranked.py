"""The lowest rank leaves: what policies share that differ in their rank alone."""

from __future__ import annotations

from abc import abstractmethod
from array import array
from collections.abc import Iterator
from heapq import heapify, heappop, heappush, heapreplace

from ..policy import EvictionPolicy, Item
from .order import order_of, place_in, rank_in


class Ranked(EvictionPolicy):
    """Evicts the entry of the lowest rank; of equal ranks, the least recently used.

    A rank never falls while an entry is held. So a hit leaves the heap alone: each entry stands in it once, at its
    present order or a former, lower one, and is moved when it comes to the top. One that was removed is dropped there,
    and its place is given to another then.
    """

    def __init__(self, max_bytes: int, *, seed: int = 0) -> None:
        super().__init__(max_bytes, seed=seed)
        self._orders: dict[int, int] = {}
        self._heap: list[int] = []
        self._items: list[Item | None] = []
        self._counts = array("q")
        self._free: list[int] = []
        """Places in `_items` and `_counts` that are in no order of the heap."""
        self._uses = 0

    @abstractmethod
    def _rank(self, item: Item, count: int) -> float:
        """Return the rank, from 0, of an entry that was asked for `count` times, its first time included."""

    def _note_eviction(self, rank: float) -> None:
        """Note the rank of the lowest entry, which leaves."""

    def __contains__(self, key: object) -> bool:
        return key in self._orders

    def __len__(self) -> int:
        return len(self._orders)

    def hit(self, key: int, now: int, owner: int = 0) -> None:
        """Count the request, and rank the entry anew."""
        order = self._orders.get(key)
        if order is not None:
            place = place_in(order)
            self._counts[place] += 1
            self._orders[key] = self._order(self._item(place), place)

    def add(self, item: Item, now: int) -> list[int]:
        """Evict the lowest until the newcomer fits, whatever the newcomer's own rank."""
        if item.size > self.max_bytes:
            return [item.key]
        gone = []
        while self.bytes + item.size > self.max_bytes:
            order = self._lowest()
            heappop(self._heap)
            self._free.append(place_in(order))
            left = self._drop(place_in(order))
            self._note_eviction(rank_in(order))
            gone.append(left.key)
        if self._free:
            place = self._free.pop()
            self._items[place], self._counts[place] = item, 1
        else:
            place = len(self._items)
            self._items.append(item)
            self._counts.append(1)
        order = self._orders[item.key] = self._order(item, place)
        heappush(self._heap, order)
        self.bytes += item.size
        return gone

    def remove(self, key: int) -> None:
        """Forget an entry with its count."""
        order = self._orders.get(key)
        if order is not None:
            self._drop(place_in(order))
            if len(self._heap) > 2 * len(self._orders) + 64:  # mostly such that were removed
                self._heap = list(self._orders.values())
                heapify(self._heap)
                self._free = [place for place, item in enumerate(self._items) if item is None]

    def evict(self, key: int) -> None:
        """Let an entry go to make room."""
        if key in self._orders:
            lowest = self._lowest()
            if lowest == self._orders[key]:
                self._note_eviction(rank_in(lowest))
            self.remove(key)

    def items(self) -> Iterator[Item]:
        """Yield what is held, the lowest rank first."""
        return (self._item(place_in(order)) for order in sorted(self._orders.values()))

    def _order(self, item: Item, place: int) -> int:
        """Return the order of an entry that is used now."""
        self._uses += 1
        return order_of(self._rank(item, self._counts[place]), self._uses, place)

    def _item(self, place: int) -> Item:
        item = self._items[place]
        assert item is not None
        return item

    def _drop(self, place: int) -> Item:
        """Take the entry in a place out, but for the heap."""
        item = self._item(place)
        self._items[place] = None
        del self._orders[item.key]
        self.bytes -= item.size
        return item

    def _lowest(self) -> int:
        """Return the order of the lowest rank, which is the heap's top afterwards."""
        while True:
            top = self._heap[0]
            item = self._items[place_in(top)]
            if item is None:
                self._free.append(place_in(heappop(self._heap)))
            elif (order := self._orders[item.key]) != top:
                heapreplace(self._heap, order)
            else:
                return top
