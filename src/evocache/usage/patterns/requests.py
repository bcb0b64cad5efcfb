"""Requests of records or of traces, as patterns read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ..policies.trace import Trace
from ..records.event import Event
from .settings import Key, hash64

UNANSWERED = ("shed", "failed", "skipped")
"""Kinds of requests that no cache could have answered from what was computed for them."""


class Request(NamedTuple):
    """What is known of a request.

    Attributes:
        key: digest of the question; 0 or empty where it is not known.
        owner: digest of who asked, likewise.
        group: digest of what it is about, likewise.
        size: bytes of the answer; 0 where they are not known.
        seconds: what computing the answer takes.
        time: seconds since 1970; None of a trace.
        kind: how it was answered; None of a trace, which has not been answered yet.
        took: seconds until the answer was there.
        saved: seconds of computing that were saved.
    """

    key: Key
    owner: Key = 0
    group: Key = 0
    size: int = 0
    seconds: float = 0.0
    time: float | None = None
    kind: str | None = None
    took: float = 0.0
    saved: float = 0.0

    @property
    def replayable(self) -> bool:
        """Whether it says what a cache would have had to hold."""
        return bool(self.key) and self.size > 0 and self.kind not in UNANSWERED


def of_events(events: Iterable[Event]) -> Iterator[Request]:
    """Yield requests of recorded events.

    What computing takes is what was saved where something was, else the seconds of the stage `compute`, else all.
    """
    for event in events:
        took = event.took
        seconds = event.saved or event.seconds.get("compute", took)
        yield Request(
            event.key, event.owner, event.group, event.size, seconds, event.time, event.kind, took, event.saved
        )


def of_trace(trace: Trace) -> Iterator[Request]:
    """Yield requests of a trace."""
    columns = (trace.key, trace.owner, trace.group, trace.size, trace.seconds)
    yield from map(Request, *(column.tolist() for column in columns))


def as_row(request: Request) -> tuple[int, int, int, int, float]:
    """Return what a replay needs of a request: key, owner and group as numbers of 64 bits, bytes and seconds."""
    owner, group = (hash64(one) if one else 0 for one in (request.owner, request.group))
    return hash64(request.key), owner, group, request.size, request.seconds


def to_trace(requests: Iterable[tuple[int, int, int, int, float]]) -> Trace:
    """Return a trace of rows of key, owner, group, bytes and seconds, of which the digests are numbers of 64 bits."""
    columns = list(zip(*requests, strict=True)) or [()] * 5
    key, owner, group = (np.array(column, np.uint64) for column in columns[:3])
    return Trace.of(key, size=columns[3], seconds=columns[4], owner=owner, group=group)
