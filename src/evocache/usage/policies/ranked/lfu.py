"""Least frequently used, as published: counts do not age, and end when their entry leaves."""

from __future__ import annotations

from ..policy import Item
from .ranked import Ranked


class LFU(Ranked):
    """Evicts what was asked for least often since it was added; of equal counts, the least recently used.

    This is the in-cache LFU. Its counts do not age, so that what was frequent once stays; W-TinyLFU ages them.
    """

    name = "lfu"
    summary = "least frequently used, without ageing"
    paper = "Breslau et al., INFOCOM 1999 (in-cache LFU)"

    def _rank(self, item: Item, count: int) -> float:
        return count
