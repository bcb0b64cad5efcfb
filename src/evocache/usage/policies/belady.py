"""What knowing the future is worth: Belady's rule in bytes, and a bound that no policy passes.

Where all answers are of one size, Belady's rule has the most hits that can be had. Where sizes differ it has not, and
to find the most hits is NP-hard (Chrobak et al., 2012). So there are two figures: what a rule that knows the future
really has (`best_offline`), and what no policy has more of (`upper_bound`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from .policy import EvictionPolicy, Item
from .simulate import Outcome, simulate
from .trace import Trace


def next_uses(trace: Trace) -> NDArray[np.int64]:
    """Return for each request the row of the next one of its key; the number of rows where there is none."""
    order = np.argsort(trace.key, kind="stable")
    again = np.flatnonzero(trace.key[order][1:] == trace.key[order][:-1])
    found = np.full(len(trace), len(trace), np.int64)
    found[order[again]] = order[again + 1]
    return found


class Belady(EvictionPolicy):
    """Evicts what is next asked for farthest in the future, the newcomer among the candidates.

    A newcomer for which something nearer would have to leave is not kept, and then nothing leaves. It must be asked
    exactly what the trace says, request by request.

    Args:
        max_bytes: bytes that may be held.
        trace: the requests.
        by_size: rank by distance x size instead of the distance, so that large ones leave earlier. Sizes within a
            quarter of an octave count as one where the largest product is looked for.
        seed: not used.
    """

    name = "belady"
    summary = "knows the future; the most hits there can be, where sizes are equal"
    paper = "Belady, IBM Systems Journal 5(2), 1966"

    def __init__(self, max_bytes: int, trace: Trace, *, by_size: bool = False, seed: int = 0) -> None:
        super().__init__(max_bytes, seed=seed)
        self._keys: list[int] = trace.key.tolist()
        self._uses: list[int] = next_uses(trace).tolist()
        self._by_size = by_size
        self._row = 0
        self._items: dict[int, Item] = {}
        self._next: dict[int, int] = {}
        self._heaps: dict[int, list[tuple[int, int]]] = {}
        """Of each class of sizes: rows of next uses, negative, and keys; also former ones, which are nearer."""

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __len__(self) -> int:
        return len(self._items)

    def hit(self, key: int, now: int, owner: int = 0) -> None:
        """Look up the next use of an entry."""
        if key in self._items:
            self._expect(self._advance(key), self._items[key])

    def add(self, item: Item, now: int) -> list[int]:
        """Evict the farthest until the newcomer fits, if all of them are farther than it."""
        use = self._advance(item.key)
        victims: list[Item] = []
        missing = self.bytes + item.size - self.max_bytes
        own = self._weight(use, item)
        while missing > 0:
            victim = self._pop_farthest()
            if victim is None or self._weight(self._next[victim.key], victim) <= own:
                for back in (*victims, *([victim] if victim else [])):
                    self._expect(self._next[back.key], back)
                return [item.key]
            victims.append(victim)
            missing -= victim.size
        for victim in victims:
            self.remove(victim.key)
        self._items[item.key] = item
        self.bytes += item.size
        self._expect(use, item)
        return [victim.key for victim in victims]

    def remove(self, key: int) -> None:
        """Forget an entry."""
        item = self._items.pop(key, None)
        if item is not None:
            del self._next[key]
            self.bytes -= item.size

    def items(self) -> Iterator[Item]:
        """Yield what is held, the farthest first."""
        return iter(sorted(self._items.values(), key=lambda item: -self._weight(self._next[item.key], item)))

    def _advance(self, key: int) -> int:
        """Go on to the next request, and return the row of the one of its key after it."""
        row = self._row
        if row == len(self._keys) or self._keys[row] != key:
            expected = f"key {self._keys[row]}" if row < len(self._keys) else "its end"
            mend = "replay the trace that it was made with, once, from its first row"
            raise UsageError(f"key {key} in row {row}", f"{expected}, as in the trace of this policy", mend)
        self._row += 1
        return self._uses[row]

    def _weight(self, use: int, item: Item) -> int:
        never = use == len(self._keys)  # then its size does not matter
        return (use - self._row) * item.size if self._by_size and not never else use << (64 * never)

    def _class(self, size: int) -> int:
        """Return the class of a size: its octave and the quarter of it, or one for all."""
        if not self._by_size:
            return 0
        octave = size.bit_length() - 1
        return 4 * octave + ((size << 2 >> octave) & 3)

    def _expect(self, use: int, item: Item) -> None:
        """Note when an entry is next asked for."""
        self._next[item.key] = use
        heap = self._heaps.setdefault(self._class(item.size), [])
        heappush(heap, (-use, item.key))
        if len(heap) > 2 * len(self._items) + 64:  # mostly former uses
            heap[:] = {(far, key) for far, key in heap if self._next.get(key) == -far}
            heapify(heap)

    def _pop_farthest(self) -> Item | None:
        """Take the farthest entry out of the heaps; None if nothing is in them."""
        best: tuple[int, Item, list[tuple[int, int]]] | None = None
        for heap in self._heaps.values():
            while heap and self._next.get(heap[0][1]) != -heap[0][0]:
                heappop(heap)
            if heap:
                item = self._items[heap[0][1]]
                weight = self._weight(-heap[0][0], item)
                if best is None or weight > best[0]:
                    best = weight, item, heap
        if best is None:
            return None
        heappop(best[2])
        return best[1]


def offline_rules(trace: Trace, max_bytes: int) -> dict[str, Belady]:
    """Return the rules that know a trace, by name: the farthest next use; where sizes differ, also one by size."""
    rules = {"belady": Belady(max_bytes, trace)}
    if len(trace) and trace.size.min() != trace.size.max():
        rules["belady by size"] = Belady(max_bytes, trace, by_size=True)
    return rules


def best_offline(trace: Trace, max_bytes: int) -> Outcome:
    """Return what knowing the future gains on a trace, in hits.

    Where all sizes are equal, no policy has more hits. Where they differ, the better one of two rules is returned, the
    farthest next use and the largest distance x size; a policy may have more, though few ever do. Seconds saved are
    those of these hits: where seconds differ, they are not the most that can be saved.

    Args:
        trace: the requests.
        max_bytes: bytes that may be held.
    """
    outcomes = [simulate(rule, trace) for rule in offline_rules(trace, max_bytes).values()]
    return max(outcomes, key=lambda outcome: outcome.hits)


@dataclass(frozen=True)
class Bound:
    """Says what no policy passes.

    Attributes:
        hits: most hits.
        seconds_saved: most seconds that hits save, which other hits may do.
    """

    hits: int
    seconds_saved: float


def upper_bound(trace: Trace, max_bytes: int) -> Bound:
    """Return more than any policy gains on a trace, or as much; also where sizes and seconds differ.

    A hit needs its bytes for as many requests as lie between it and the one before of its key. All hits together have
    `max_bytes` for the length of the trace; the cheapest are counted until that is used up, and whether they fit at
    every moment is left out: PFOO-L of Berger, Beckmann and Harchol-Balter, Practical Bounds on Optimal Caching with
    Variable Object Sizes, 2018. Where all sizes are equal, the hits of `best_offline` are the better bound. The
    answers of a key are taken to be of one size.

    Args:
        trace: the requests.
        max_bytes: bytes that may be held.
    """
    uses = next_uses(trace)
    rows = np.flatnonzero((uses < len(trace)) & (trace.size <= max_bytes))
    cost = trace.size[rows].astype(float) * (uses[rows] - rows)
    room = float(max_bytes) * max(0, len(trace) - 1)
    hits = int(np.searchsorted(np.cumsum(np.sort(cost)), room, side="right"))
    seconds = trace.seconds[uses[rows]]
    best = np.argsort(-seconds / cost, kind="stable")
    free = room - (np.cumsum(cost[best]) - cost[best])
    share = np.clip(free / cost[best], 0, 1)  # of the last, a part
    return Bound(hits, float((share * seconds[best]).sum()))
