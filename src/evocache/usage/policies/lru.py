"""Least recently used: the baseline of every comparison."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from .policy import EvictionPolicy, Item


class LRU(EvictionPolicy):
    """Evicts what was not asked for longest."""

    name = "lru"
    summary = "least recently used"
    paper = "Mattson et al., IBM Systems Journal 9(2), 1970"

    def __init__(self, max_bytes: int, *, seed: int = 0) -> None:
        super().__init__(max_bytes, seed=seed)
        self._items: OrderedDict[int, Item] = OrderedDict()

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __len__(self) -> int:
        return len(self._items)

    def hit(self, key: int, now: int, owner: int = 0) -> None:
        """Move the entry to the young end."""
        if key in self._items:
            self._items.move_to_end(key)

    def add(self, item: Item, now: int) -> list[int]:
        """Evict from the old end until the newcomer fits."""
        if item.size > self.max_bytes:
            return [item.key]
        gone = []
        while self.bytes + item.size > self.max_bytes:
            key, left = self._items.popitem(last=False)
            self.bytes -= left.size
            gone.append(key)
        self._items[item.key] = item
        self.bytes += item.size
        return gone

    def remove(self, key: int) -> None:
        """Forget an entry."""
        item = self._items.pop(key, None)
        if item is not None:
            self.bytes -= item.size

    def items(self) -> Iterator[Item]:
        """Yield what is held, the oldest first."""
        return iter(list(self._items.values()))
