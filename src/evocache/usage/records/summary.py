"""Requests counted by what they have in common: a tenant, an hour, a key, who asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from ...errors import RecordError, short
from .event import STORED, Event

By = Literal["all", "tenant", "kind", "hour", "owner", "key", "group", "context", "tier", "policy"]
"""What requests are counted by; `hour` is the number of whole hours since 1970."""

Value = str | int | bytes

VALUE: Mapping[str, Callable[[Event], Value]] = {
    "all": lambda event: 0,
    "tenant": lambda event: event.tenant,
    "kind": lambda event: event.kind,
    "hour": lambda event: int(event.time // 3600),
    "owner": lambda event: event.owner,
    "key": lambda event: event.key,
    "group": lambda event: event.group,
    "context": lambda event: event.context,
    "tier": lambda event: event.tier,
    "policy": lambda event: event.policy,
}


@dataclass(frozen=True, slots=True)
class Summary:
    """Sums over the requests that have a value in common.

    Attributes:
        value: what they have in common; 0 for all of them.
        kinds: number of requests by how they were answered.
        size: bytes of the answers.
        took: seconds that they took.
        saved: seconds of computing that were saved.
    """

    value: Value
    kinds: Mapping[str, int]
    size: int
    took: float
    saved: float

    @property
    def requests(self) -> int:
        """Number of requests."""
        return sum(self.kinds.values())

    @property
    def hits(self) -> int:
        """Requests that were answered from a stored result."""
        return sum(self.kinds.get(kind, 0) for kind in STORED)


def checked(by: str) -> str:
    """Return what to count by.

    Raises:
        RecordError: if requests are not counted by that.
    """
    if by not in get_args(By):
        raise RecordError(f"a summary by {short(by)}", f"one of {', '.join(get_args(By))}", "count by one of these")
    return by


def collect(rows: Iterable[tuple[Value, str, int, int, int, int]], by: By, most: int | None) -> list[Summary]:
    """Return summaries of rows of a value, a kind and sums: requests, bytes, microseconds taken and saved.

    Hours are in order of time; all else by requests, the most first, and by value where these are equal.
    """
    parts: dict[Value, list[tuple[str, int, int, int, int]]] = {}
    for value, kind, *sums in rows:
        parts.setdefault(value, []).append((kind, *sums))  # type: ignore[arg-type]
    found = [
        Summary(
            value,
            {kind: requests for kind, requests, *_ in sorted(of)},
            sum(part[2] for part in of),
            sum(part[3] for part in of) / 1e6,
            sum(part[4] for part in of) / 1e6,
        )
        for value, of in parts.items()
    ]
    if by == "hour":
        found.sort(key=lambda summary: summary.value)
        return found if most is None else found[max(0, len(found) - most) :]
    found.sort(key=lambda summary: (-summary.requests, summary.value))
    return found[:most]


def summarize(events: Iterable[Event], by: By, most: int | None) -> list[Summary]:
    """Return summaries of events, as `collect` orders them."""
    value, sums = VALUE[checked(by)], dict[tuple[Value, str], list[int]]()
    for event in events:
        part = sums.setdefault((value(event), event.kind), [0, 0, 0, 0])
        for place, more in enumerate((1, event.size, micro(event.took), micro(event.saved))):
            part[place] += more
    return collect(((*key, *part) for key, part in sums.items()), by, most)  # type: ignore[misc]


def micro(seconds: float) -> int:
    """Return seconds as whole microseconds."""
    return round(seconds * 1e6)
