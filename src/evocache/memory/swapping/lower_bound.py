"""The least that swapping moves, whatever is chosen, for many capacities at once: a bound, at little cost. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .gaps import Gaps, Moved
from .lifetimes import Bytes, Indices

LOOKED_AT = 64
"""Events that are looked at: the fullest of as many stretches of equal length."""

Floats = npt.NDArray[np.float64]


def moved_at_least(gaps: Gaps, capacities: Sequence[int]) -> list[Moved]:
    """Return bytes that are written out and read back at the least to meet each of several capacities.

    Few events are looked at, and gaps may be parked in part. What is read back is at least what the gaps chosen then
    come to; what is written, at least what values come to that are away from their first gap to their last.
    """
    if not len(gaps.gaps):
        return [Moved()] * len(capacities)
    events = _fullest(gaps.held)
    over = np.maximum(gaps.held[events] - np.asarray(capacities)[:, None], 0).astype(np.float64)
    passed = np.searchsorted(events, np.arange(len(gaps.held) + 1))  # events looked at before each event
    begin, end = passed[gaps.start], passed[gaps.stop]
    count = len(gaps.lives)
    first, last = np.zeros(count, dtype=np.intp), np.zeros(count, dtype=np.intp)
    first[gaps.value] = begin  # of several gaps, what is set last stands: those that end first come last
    last[gaps.value[::-1]] = end[::-1]
    read = _relieved(over, begin, end, gaps.size)
    written = _relieved(over, first, last, gaps.lives.sizes)
    return [Moved(int(w), int(r)) for w, r in zip(written, read, strict=True)]


def _fullest(held: Bytes) -> Indices:
    """The event of each stretch at which most is held."""
    starts = np.unique(np.linspace(0, len(held), LOOKED_AT, endpoint=False).astype(np.intp))
    ends = [*starts[1:].tolist(), len(held)]
    return np.array([low + int(held[low:high].argmax()) for low, high in zip(starts.tolist(), ends, strict=True)])


def _relieved(over: Floats, begin: Indices, end: Indices, size: Bytes) -> Floats:
    """The least bytes of stretches, each taken as a whole or in part, that relieve events: (capacities,).

    At each event in turn what ends last is taken: Belady's rule, which for stretches that may be divided is optimal
    whatever their sizes.

    Args:
        over: by how much each event is to be relieved: (capacities, events).
        begin: the event at which each stretch begins.
        end: the event at which it has ended.
        size: its bytes.
    """
    count = over.shape[1]
    some = begin < end
    opening = np.bincount(begin[some] * count + end[some] - 1, size[some], count**2).reshape(count, count)
    open_, taken = np.zeros_like(over), np.zeros_like(over)  # by the event that is the last that they relieve
    for event in range(count):
        open_ += opening[event]
        lack = np.maximum(over[:, event] - taken[:, event:].sum(axis=1), 0)
        got = np.minimum(np.cumsum(open_[:, event:][:, ::-1], axis=1), lack[:, None])
        got[:, 1:] -= got[:, :-1].copy()
        open_[:, event:] -= got[:, ::-1]
        taken[:, event:] += got[:, ::-1]
    least: Floats = taken.sum(axis=1)
    return least
