"""Replays: what a policy would have kept of a trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .policy import EvictionPolicy, Item
from .trace import Trace

PART = 1000
"""Requests after which is told how far a replay is."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """Says what a replay gained.

    Attributes:
        hit: whether each request was answered from what was held, bool, one a request.
        hits: number of those.
        seconds: what computing every answer would have taken.
        seconds_saved: the same of the hits.
        bytes: of all answers.
        bytes_hit: of the hits.
        bytes_held: what was held at the end.
        evictions: entries that were held and left for others.
        refused: answers that the policy did not keep at all.
    """

    hit: NDArray[np.bool_]
    hits: int
    seconds: float
    seconds_saved: float
    bytes: int
    bytes_hit: int
    bytes_held: int
    evictions: int
    refused: int

    @property
    def requests(self) -> int:
        """Number of requests."""
        return len(self.hit)

    @property
    def hit_rate(self) -> float:
        """Share of requests that were hits; 0 without any."""
        return self.hits / self.requests if self.requests else 0.0

    @property
    def saved_rate(self) -> float:
        """Share of the seconds that was saved; 0 without any."""
        return self.seconds_saved / self.seconds if self.seconds else 0.0


def _nobody(done: int) -> None:
    """Tell nobody."""


def simulate(policy: EvictionPolicy, trace: Trace, advance: Callable[[int], None] = _nobody) -> Outcome:
    """Return what a policy gains on a trace: a hit where the key is held, else an answer that is computed and offered.

    Every answer is there before the next request comes, so that no request is ever joined to one in flight. A policy
    that was used before goes on with what it holds.

    Args:
        policy: decides what is held; it is changed.
        trace: the requests; their `time` is the policy's `now`.
        advance: is told now and then how many requests more are done.

    >>> from evocache.usage.policies.lru import LRU
    >>> simulate(LRU(2), Trace.of([1, 2, 1, 3, 2, 1])).hit.tolist()
    [False, False, True, False, False, False]
    """
    mask = bytearray(len(trace))
    evictions = refused = 0
    held, hit, add = policy.__contains__, policy.hit, policy.add
    columns = (trace.key, trace.size, trace.seconds, trace.owner, trace.group, trace.time)
    for begin in range(0, len(trace), PART):
        rows = zip(*(column[begin : begin + PART].tolist() for column in columns), strict=True)
        for row, (key, size, seconds, owner, group, now) in enumerate(rows, begin):
            if held(key):
                mask[row] = 1
                hit(key, now, owner)
                continue
            gone = add(Item(key, size, seconds, owner, group), now)
            if gone:
                kept = key not in gone
                refused += not kept
                evictions += len(gone) - (not kept)
        advance(min(PART, len(trace) - begin))
    found = np.frombuffer(mask, dtype=np.bool_)
    return Outcome(
        hit=found,
        hits=int(found.sum()),
        seconds=float(trace.seconds.sum()),
        seconds_saved=float(trace.seconds[found].sum()),
        bytes=int(trace.size.sum()),
        bytes_hit=int(trace.size[found].sum()),
        bytes_held=policy.bytes,
        evictions=evictions,
        refused=refused,
    )
