"""What usage is like, as one value: what repeats, who asks, when, what changed, what a cache did and could do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ...records.event import STORED
from ..drift import DriftPoint
from ..settings import Key
from .slices import Slice

EPOCH = 946_684_800.0
"""Times before the year 2000 are those of a trace that counts from its own beginning."""


def name_digest(digest: Key) -> str:
    """Return the beginning of a digest, by which it can be found again."""
    if not digest:
        return "nobody"
    return digest.hex()[:12] if isinstance(digest, bytes) else f"{digest:016x}"[:12]


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A key that is asked for often: its digest, and its aged number of requests, at most."""

    key: Key
    requests: float


@dataclass(frozen=True, slots=True)
class GroupUse:
    """A group that is popular.

    Attributes:
        group: its digest.
        requests: aged number, at most.
        forecast: requests in the present window of `window` requests.
    """

    group: Key
    requests: float
    forecast: float


@dataclass(frozen=True, slots=True)
class OwnerUse:
    """Who asks: the digest, the number of requests, and of those the ones that repeat the owner's own, and the last."""

    owner: Key
    requests: int
    own: int
    last: int


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour: whole hours since 1970, its requests, and those that were answered from a stored result."""

    hour: int
    requests: int
    hits: int


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The hit rate that an LRU cache of so many bytes would have had, without joining."""

    max_bytes: int
    hit_rate: float


@dataclass(frozen=True, slots=True)
class Room:
    """What caches of so many bytes would have had of the last requests, begun empty, without joining.

    Attributes:
        max_bytes: the room.
        requests: how many were replayed.
        seconds: what computing all of them takes.
        hit_rates: by policy, the best first; the one that learns is `learned`.
        saved: seconds of computing that hits would have saved, by policy.
        best_offline: hit rate of a rule that knows the future (Belady's, or one by size).
        best_offline_saved: seconds that its hits would have saved.
        bound: hit rate that no policy passes.
    """

    max_bytes: int
    requests: int
    seconds: float
    hit_rates: Mapping[str, float]
    saved: Mapping[str, float]
    best_offline: float
    best_offline_saved: float
    bound: float


@dataclass(frozen=True)
class UsageReport:
    """All that patterns say of usage. Digests stand for keys, owners and groups; times are in seconds.

    Attributes:
        requests: how many there were.
        first: time of the first one; None of traces, and without any.
        last: of the last one.
        kinds: requests by how they were answered; empty of traces.
        took: seconds that all answers took.
        saved: seconds of computing that were saved.
        keyed: requests whose key is known; shares of repeats and `distinct` are of these.
        anybody: share of those for a key that anybody had asked for before.
        own: share of those that their owner had asked for before.
        last_own: share of those that were their owner's last request as well.
        distinct: different keys, estimated within 1.6 %.
        remembered: keys that shares of repeats are counted on, the latest ones.
        working_sets: different keys in the last so many requests, by that number.
        gaps: seconds until a key is asked for again, by share of such requests.
        pauses: seconds between a request and the next one of anybody, by share of them.
        askers: different owners, estimated within 1.6 %.
        keys: those that are asked for most, now.
        groups: those that are popular now.
        window: requests of a window of `GroupUse.forecast`.
        owners: those who ask most.
        hours: in order of time.
        times: requests in slices of time of `time_width` seconds, in order; empty where no times are known.
        time_width: seconds.
        parts: requests in slices of `part_width` requests, in order.
        part_width: requests.
        drift: changes of the hit rate and of popularity.
        detector: what found them.
        curve: hit rates of an LRU, by room, of all requests.
        curve_keys: share of keys that the curve was measured on.
        replayed_curve: the same of the requests that were replayed for `rooms`.
        rooms: what policies could have had of the last requests, and the bound.
        skipped: requests before these, which were not read.
    """

    requests: int
    first: float | None
    last: float | None
    kinds: Mapping[str, int]
    took: float
    saved: float
    keyed: int
    anybody: float
    own: float
    last_own: float
    distinct: float
    remembered: int
    working_sets: Mapping[int, float]
    gaps: Mapping[float, float]
    pauses: Mapping[float, float]
    askers: float
    keys: tuple[KeyUse, ...]
    groups: tuple[GroupUse, ...]
    window: int
    owners: tuple[OwnerUse, ...]
    hours: tuple[Hour, ...]
    times: tuple[Slice, ...]
    time_width: int
    parts: tuple[Slice, ...]
    part_width: int
    drift: tuple[DriftPoint, ...]
    detector: str
    curve: tuple[CurvePoint, ...]
    curve_keys: float
    replayed_curve: tuple[CurvePoint, ...]
    rooms: tuple[Room, ...]
    skipped: int

    @property
    def hit_rate(self) -> float:
        """Share of requests that were answered from a stored result; 0 without any."""
        return self.share(*STORED)

    def share(self, *kinds: str) -> float:
        """Return the share of requests that were answered in one of these ways."""
        return sum(self.kinds.get(kind, 0) for kind in kinds) / self.requests if self.requests else 0.0

    @property
    def dated(self) -> bool:
        """Whether times are dates, so that hours of the day are known."""
        return self.first is not None and self.first >= EPOCH

    def by_hour_of_day(self, offset: int = 0) -> list[int]:
        """Return requests by hour of the day, 24 numbers; `offset` are the hours that clocks are before UTC."""
        day = [0] * 24
        for hour in self.hours:
            day[(hour.hour + offset) % 24] += hour.requests
        return day

    def to_dict(self) -> dict[str, Any]:
        """Return the report as values that JSON can hold, digests of bytes in hexadecimal."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value
