"""S3-FIFO: a small queue lets go of what is asked for once, a main queue keeps the rest, ghosts tell them apart."""

from __future__ import annotations

from collections.abc import Iterator

from .policy import EvictionPolicy, Item
from .queue import Queue

SMALL = 0.1
"""Share of the bytes that the small queue is meant to hold; the main queue and the ghosts have the others each."""

MOST = 3
"""Hits that are counted, two bits of them."""


class _Entry:
    """What is held, and its hits since it came into its queue."""

    __slots__ = ("hits", "item")

    def __init__(self, item: Item, hits: int = 0) -> None:
        self.item = item
        self.hits = hits


class S3FIFO(EvictionPolicy):
    """Evicts from a small queue what had no second hit, and from a main queue what had none.

    Newcomers come into the small queue. Those that leave it for good are remembered as ghosts, by digest and size; a
    ghost that is asked for again comes into the main queue. Queues and ghosts are measured in bytes.
    """

    name = "s3fifo"
    summary = "three queues: small, main and ghosts"
    paper = "Yang et al., FIFO Queues are All You Need for Cache Eviction, SOSP 2023, algorithm 1"

    def __init__(self, max_bytes: int, *, seed: int = 0) -> None:
        super().__init__(max_bytes, seed=seed)
        self._small: Queue[_Entry] = Queue()
        self._main: Queue[_Entry] = Queue()
        self._ghosts: Queue[int] = Queue()
        self._small_bytes = self._ghost_bytes = 0

    def __contains__(self, key: object) -> bool:
        return key in self._small or key in self._main

    def __len__(self) -> int:
        return len(self._small) + len(self._main)

    def hit(self, key: int, now: int, owner: int = 0) -> None:
        """Count the hit; no entry moves."""
        entry = self._small.get(key) or self._main.get(key)
        if entry is not None and entry.hits < MOST:
            entry.hits += 1

    def add(self, item: Item, now: int) -> list[int]:
        """Evict until the newcomer fits; it comes into the main queue if it is a ghost."""
        if item.size > self.max_bytes:
            return [item.key]
        gone = self._make_room(item.size)
        ghost = self._ghosts.pop(item.key)
        if ghost is not None:
            self._ghost_bytes -= ghost
            self._main.put(item.key, _Entry(item))
        else:
            self._small.put(item.key, _Entry(item))
            self._small_bytes += item.size
        self.bytes += item.size
        return gone

    def remove(self, key: int) -> None:
        """Forget an entry, and the ghost of that key."""
        self._ghost_bytes -= self._ghosts.pop(key) or 0
        entry = self._small.pop(key)
        if entry is not None:
            self._small_bytes -= entry.item.size
        else:
            entry = self._main.pop(key)
        if entry is not None:
            self.bytes -= entry.item.size

    def evict(self, key: int) -> None:
        """Let an entry go to make room; of the small queue's a ghost stays."""
        entry = self._small.get(key)
        self.remove(key)
        if entry is not None:
            self._remember(entry.item)

    def items(self) -> Iterator[Item]:
        """Yield what is held in the order in which it would leave if nothing else came."""
        shadow = S3FIFO(self.max_bytes)
        held = {}
        for queue, copied in ((self._small, shadow._small), (self._main, shadow._main)):
            for key, entry in queue.items():
                held[key] = entry.item
                copied.put(key, _Entry(entry.item, entry.hits))
        shadow.bytes, shadow._small_bytes = self.bytes, self._small_bytes
        return (held[key] for key in shadow._make_room(self.max_bytes))

    def _make_room(self, size: int) -> list[int]:
        """Evict until so many bytes are free; return the keys that leave."""
        gone: list[int] = []
        while self.bytes + size > self.max_bytes:
            if self._small and (self._small_bytes >= SMALL * self.max_bytes or not self._main):
                self._evict_small(gone)
            else:
                self._evict_main(gone)
        return gone

    def _evict_small(self, gone: list[int]) -> None:
        """Move what had two hits to the main queue, up to the first that had fewer, which leaves."""
        while self._small:
            key, entry = self._small.pop_oldest()
            self._small_bytes -= entry.item.size
            if entry.hits <= 1:
                self.bytes -= entry.item.size
                self._remember(entry.item)
                gone.append(key)
                return
            entry.hits = 0
            self._main.put(key, entry)
            while self.bytes - self._small_bytes > (1 - SMALL) * self.max_bytes:
                self._evict_main(gone)

    def _evict_main(self, gone: list[int]) -> None:
        """Move what had hits to the young end, one hit less, up to the first that had none, which leaves."""
        while True:
            key, entry = self._main.pop_oldest()
            if not entry.hits:
                self.bytes -= entry.item.size
                gone.append(key)
                return
            entry.hits -= 1
            self._main.put(key, entry)

    def _remember(self, item: Item) -> None:
        """Remember what leaves the small queue; the oldest ghosts are forgotten."""
        self._ghosts.put(item.key, item.size)
        self._ghost_bytes += item.size
        while self._ghost_bytes > (1 - SMALL) * self.max_bytes:
            self._ghost_bytes -= self._ghosts.pop_oldest()[1]
