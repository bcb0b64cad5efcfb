"""The race of `evocache usage demo`: the same requests asked of two caches at equal bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ....usage.cache.learning_cache import LearningCache
    from ....usage.cache.stats import Stats
    from ....usage.policies.trace import Trace

SHARE = 0.01
"""Bytes of each cache, as a part of those of all different answers."""

WINDOWS = 150
"""Points of the curves over the whole race."""

SPAN = 10
"""Points that a window is long: curves show the hit rate of the last fifteenth of the race."""


@dataclass
class Lane:
    """Follows one cache.

    Attributes:
        name: what it is called.
        cache: answers.
        hits: number of hits at each point.
    """

    name: str
    cache: LearningCache
    hits: list[int] = field(default_factory=lambda: [0])
    now: int = 0

    @property
    def stats(self) -> Stats:
        """What the cache did."""
        return self.cache.stats

    def ask(self, key: str, owner: int, group: int, size: int, seconds: float) -> None:
        """Ask a question, which a stand-in answers at once that says what it took."""
        computed = []

        def answer() -> bytes:
            computed.append(True)
            return b""

        self.cache.get_or_compute(key, answer, owner=owner, group=group or None, size=size, seconds=seconds)
        self.now += not computed


class Race:
    """Asks the requests of a trace of both caches, one after the other.

    Learning happens between requests and not in a thread, so that a race with one seed ends the same way each time.

    Args:
        trace: the requests.
        seed: seeds what the policy draws.
    """

    def __init__(self, trace: Trace, seed: int = 0) -> None:
        from ....usage.cache.learning_cache import LearningCache

        self.trace = trace
        self.max_bytes = max(1024, int(SHARE * trace.whole))
        secret = bytes(32)  # nothing is stored: digests are the same on each machine, and so is what is learned
        self.lanes = [
            Lane(policy, LearningCache(self.max_bytes, policy=policy, upkeep=False, seed=seed, secret=secret))
            for policy in ("lru", "learned")
        ]
        self.done = 0
        self.step = max(1, len(trace) // WINDOWS)
        """Requests between two points of the curves."""

    def run(self, pace: Callable[[float], None]) -> Iterator[int]:
        """Ask all requests, and yield how many were asked, at each point of the curves.

        Args:
            pace: is told which part of the race is over before each request, and returns when the next may come.
        """
        columns = (self.trace.key, self.trace.owner, self.trace.group, self.trace.size, self.trace.seconds)
        for key, owner, group, size, seconds in zip(*(column.tolist() for column in columns), strict=True):
            pace(self.done / len(self.trace))
            for lane in self.lanes:
                lane.ask(f"picture {key}", owner, group, size, seconds)
            self.done += 1
            if self.done % self.step == 0:
                for lane in self.lanes:
                    lane.hits.append(lane.now)
                yield self.done

    def rates(self, lane: Lane) -> list[float]:
        """Return the hit rate of the window that ends at each point."""
        hits = lane.hits
        return [(hits[i] - hits[max(0, i - SPAN)]) / (self.step * min(i, SPAN)) for i in range(1, len(hits))]

    def overtaken(self) -> int | None:
        """Return the request after which the learning cache was ahead in hits for good; None if it is not."""
        lru, learned = (lane.hits for lane in self.lanes)
        behind = [i for i, (a, b) in enumerate(zip(lru, learned, strict=True)) if b <= a]
        return None if behind[-1] == len(lru) - 1 else (behind[-1] + 1) * self.step

    def close(self) -> None:
        """Let both caches go."""
        for lane in self.lanes:
            lane.cache.close()
