"""SIEVE: a queue whose hand spares what was asked for."""

from __future__ import annotations

from collections.abc import Iterator

from .policy import EvictionPolicy, Item


class _Node:
    """An entry in the queue, between its neighbours."""

    __slots__ = ("item", "newer", "older", "visited")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.visited = False
        self.older = self.newer = self


class SIEVE(EvictionPolicy):
    """Evicts the first entry at or after the hand that was not asked for since the hand last passed.

    The hand goes from the old end to the young one. Entries that it spares stay where they are, and newcomers come in
    at the young end: unlike in CLOCK, what was spared and what is new do not mix.
    """

    name = "sieve"
    summary = "a queue whose hand spares what was asked for"
    paper = "Zhang et al., SIEVE is Simpler than LRU, NSDI 2024, algorithm 1"

    def __init__(self, max_bytes: int, *, seed: int = 0) -> None:
        super().__init__(max_bytes, seed=seed)
        self._nodes: dict[int, _Node] = {}
        self._ends = _Node(Item(0, 1))
        """Closes the queue to a ring: newer than the newest, older than the oldest."""
        self._hand = self._ends

    def __contains__(self, key: object) -> bool:
        return key in self._nodes

    def __len__(self) -> int:
        return len(self._nodes)

    def hit(self, key: int, now: int, owner: int = 0) -> None:
        """Mark the entry."""
        node = self._nodes.get(key)
        if node is not None:
            node.visited = True

    def add(self, item: Item, now: int) -> list[int]:
        """Evict at the hand until the newcomer fits."""
        if item.size > self.max_bytes:
            return [item.key]
        gone = self._make_room(item.size)
        node, ends = _Node(item), self._ends
        node.older, node.newer = ends.older, ends
        ends.older.newer = ends.older = node
        self._nodes[item.key] = node
        self.bytes += item.size
        return gone

    def remove(self, key: int) -> None:
        """Forget an entry; a hand that points at it goes on to the next."""
        node = self._nodes.pop(key, None)
        if node is not None:
            if self._hand is node:
                self._hand = node.newer
            node.older.newer, node.newer.older = node.newer, node.older
            self.bytes -= node.item.size

    def resize(self, max_bytes: int, now: int) -> list[int]:
        """Hold no more than another number of bytes, and return the keys that leave for it."""
        self.max_bytes = max_bytes
        return self._make_room(0)

    def items(self) -> Iterator[Item]:
        """Yield what is held in the order in which the hand would take it: those that it spares come last."""
        nodes = list(self._from_hand())
        return (node.item for visited in (False, True) for node in nodes if node.visited is visited)

    def _make_room(self, size: int) -> list[int]:
        """Evict until so many bytes are free; return the keys that leave."""
        gone = []
        while self.bytes + size > self.max_bytes:
            node = self._hand
            while node.visited or node is self._ends:
                node.visited = False
                node = node.newer
            self._hand = node
            gone.append(node.item.key)
            self.remove(node.item.key)
        return gone

    def _from_hand(self) -> Iterator[_Node]:
        node = self._hand
        for _ in range(len(self._nodes) + 1):  # once around the ring
            if node is not self._ends:
                yield node
            node = node.newer
