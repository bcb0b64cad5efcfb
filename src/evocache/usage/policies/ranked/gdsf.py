"""GreedyDual-Size with Frequency: seconds saved per byte, aged by what had to leave."""

from __future__ import annotations

from ..policy import Item
from .ranked import Ranked


class GDSF(Ranked):
    """Evicts the lowest of clock + count x seconds / bytes; the clock is the rank of what left last.

    So an entry that is not asked for is overtaken by newcomers, which start from a higher clock.
    """

    name = "gdsf"
    summary = "greedy-dual: count x seconds per byte, aged"
    paper = "Cherkasova, HP Laboratories HPL-98-69R1, 1998"

    def __init__(self, max_bytes: int, *, seed: int = 0) -> None:
        super().__init__(max_bytes, seed=seed)
        self._clock = 0.0

    def _rank(self, item: Item, count: int) -> float:
        return self._clock + count * item.seconds / item.size  # Pr(f) = Clock + Fr(f) x Cost(f) / Size(f)

    def _note_eviction(self, rank: float) -> None:
        self._clock = rank  # Clock = Pr of the file that is evicted
