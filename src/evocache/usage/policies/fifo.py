"""First in, first out: what a cache does that is told nothing of its hits."""

from __future__ import annotations

from .lru import LRU


class FIFO(LRU):
    """Evicts what was added first: an LRU that hears of no hit."""

    name = "fifo"
    summary = "first in, first out"
    paper = "Belady, IBM Systems Journal 5(2), 1966"

    def hit(self, key: int, now: int, owner: int = 0) -> None:
        """Change nothing."""
