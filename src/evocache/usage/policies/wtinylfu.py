"""W-TinyLFU: a small LRU before a large one, and a count that decides who may pass from one to the other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from .policy import EvictionPolicy, Item
from .sketch import FrequencySketch

WINDOW = 0.01
"""Share of the bytes that newcomers have for themselves."""

PROTECTED = 0.8
"""Share of the others that entries have which were asked for again."""


class WTinyLFU(EvictionPolicy):
    """Evicts what is asked for less often lately, of the oldest newcomer and of those that were not asked for longest.

    Newcomers come into the window, an LRU of 1 % of the bytes. What leaves it is a candidate for the main room, a
    segmented LRU: an entry on probation that is asked for again is protected, and the oldest protected ones go back.
    Where bytes are missing, a candidate is kept only if it was asked for more often than all together that would have
    to leave for it (aggregated victims: Einziger et al., Lightweight Robust Size Aware Cache Management, 2022; where
    all are of one size, that is the one victim of 2015). A newcomer larger than the window is a candidate at once.

    The window is held to its bytes also while the main room is empty: else it fills first, and all is an LRU.
    """

    name = "wtinylfu"
    summary = "a window of 1 %, then those that aged counts prefer"
    paper = "Einziger, Friedman and Manes, TinyLFU: A Highly Efficient Cache Admission Policy, 2015, section 4"

    def __init__(self, max_bytes: int, *, seed: int = 0) -> None:
        super().__init__(max_bytes, seed=seed)
        self._window: OrderedDict[int, Item] = OrderedDict()
        self._probation: OrderedDict[int, Item] = OrderedDict()
        self._protected: OrderedDict[int, Item] = OrderedDict()
        self._window_bytes = self._protected_bytes = 0
        self._sketch = FrequencySketch(seed)

    def __contains__(self, key: object) -> bool:
        return key in self._protected or key in self._probation or key in self._window

    def __len__(self) -> int:
        return len(self._window) + len(self._probation) + len(self._protected)

    def hit(self, key: int, now: int, owner: int = 0) -> None:
        """Count the request and renew the entry; one on probation becomes protected."""
        if key in self._protected:
            self._protected.move_to_end(key)
        elif key in self._probation:
            self._protect(self._probation.pop(key))
        elif key in self._window:
            self._window.move_to_end(key)
        else:
            return
        self._sketch.record(key, len(self))

    def add(self, item: Item, now: int) -> list[int]:
        """Take the newcomer into the window, and let what leaves the window compete."""
        if item.size > self.max_bytes:
            return [item.key]
        self._sketch.record(item.key, len(self) + 1)
        gone: list[int] = []
        for candidate in self._enter_window(item):
            victims = self._victims(candidate)
            if victims is None:
                gone.append(candidate.key)
                continue
            gone += self._evict_all(victims)
            self._probation[candidate.key] = candidate
            self.bytes += candidate.size
        while self.bytes > self.max_bytes:  # the window had bytes to spare, which the main room was using
            queue = self._probation or self._protected or self._window
            gone += self._evict_all([next(iter(queue.values()))])
        return gone

    def remove(self, key: int) -> None:
        """Forget an entry, and how often its key was asked for."""
        self._sketch.forget(key)
        self.evict(key)

    def evict(self, key: int) -> None:
        """Let an entry go to make room; its count stays."""
        item = self._probation.pop(key, None)
        if item is None:
            item = self._window.pop(key, None)
            if item is not None:
                self._window_bytes -= item.size
        if item is None:
            item = self._protected.pop(key, None)
            if item is not None:
                self._protected_bytes -= item.size
        if item is not None:
            self.bytes -= item.size

    def items(self) -> Iterator[Item]:
        """Yield what is held: on probation, in the window, protected, the oldest of each first."""
        return iter([*self._probation.values(), *self._window.values(), *self._protected.values()])

    def _enter_window(self, newcomer: Item) -> list[Item]:
        """Take a newcomer into the window; return what leaves the window for it, or itself if it is too large."""
        room = WINDOW * self.max_bytes
        if newcomer.size > room:
            return [newcomer]
        candidates = []
        self._window[newcomer.key] = newcomer
        self._window_bytes += newcomer.size
        self.bytes += newcomer.size
        while self._window_bytes > room:
            candidate = self._window.popitem(last=False)[1]
            self._window_bytes -= candidate.size
            self.bytes -= candidate.size
            candidates.append(candidate)
        return candidates

    def _victims(self, candidate: Item) -> list[Item] | None:
        """Return who leaves the main room for a candidate; None if they are worth more than it, or too few."""
        victims: list[Item] = []
        missing = self.bytes + candidate.size - self.max_bytes
        if missing <= 0:
            return victims
        worth = self._sketch.estimate(candidate.key)
        for queue in (self._probation, self._protected):
            for victim in queue.values():
                worth -= self._sketch.estimate(victim.key)
                if worth <= 0:
                    return None
                victims.append(victim)
                missing -= victim.size
                if missing <= 0:
                    return victims
        return None

    def _evict_all(self, victims: list[Item]) -> list[int]:
        for victim in victims:
            self.evict(victim.key)
        return [victim.key for victim in victims]

    def _protect(self, item: Item) -> None:
        """Protect an entry; the oldest of the protected go back to probation for it."""
        self._protected[item.key] = item
        self._protected_bytes += item.size
        while self._protected_bytes > PROTECTED * (1 - WINDOW) * self.max_bytes:
            demoted = self._protected.popitem(last=False)[1]
            self._protected_bytes -= demoted.size
            self._probation[demoted.key] = demoted
