"""What usage is like, as one value: what repeats, who asks, when, what changed, what a cache did and could do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..records.event import STORED
from .drift import DriftPoint
from .settings import Key


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
        hit_rates: by policy.
        best_offline: hit rate of a rule that knows the future (Belady's, or one by size).
        bound: hit rate that no policy passes.
    """

    max_bytes: int
    requests: int
    hit_rates: Mapping[str, float]
    best_offline: float
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
        working_sets: different keys in the last so many requests, by that number.
        gaps: seconds until a key is asked for again, by share of such requests.
        keys: those that are asked for most, now.
        groups: those that are popular now.
        window: requests of a window of `GroupUse.forecast`.
        owners: those who ask most.
        hours: in order of time.
        drift: changes of the hit rate and of popularity.
        detector: what found them.
        curve: hit rates of an LRU, by room.
        rooms: what other policies could have had, and the bound.
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
    working_sets: Mapping[int, float]
    gaps: Mapping[float, float]
    keys: tuple[KeyUse, ...]
    groups: tuple[GroupUse, ...]
    window: int
    owners: tuple[OwnerUse, ...]
    hours: tuple[Hour, ...]
    drift: tuple[DriftPoint, ...]
    detector: str
    curve: tuple[CurvePoint, ...]
    rooms: tuple[Room, ...]

    @property
    def hit_rate(self) -> float:
        """Share of requests that were answered from a stored result; 0 without any."""
        return self.share(*STORED)

    def share(self, *kinds: str) -> float:
        """Return the share of requests that were answered in one of these ways."""
        return sum(self.kinds.get(kind, 0) for kind in kinds) / self.requests if self.requests else 0.0

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
