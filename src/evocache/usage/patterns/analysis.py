"""From requests to a report of usage: one pass, in bounded memory."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence

from ..policies.belady import best_offline, upper_bound
from ..policies.registry import policy
from ..policies.simulate import simulate
from ..policies.trace import Trace
from ..records.event import STORED, Event
from ..records.store import ALL, EventStore, Where
from .arrivals import Arrivals
from .distinct import HyperLogLog, WorkingSet
from .drift import Drift
from .frequency import AgedCounts
from .popularity import Popularity
from .repeats import Repeats
from .report import CurvePoint, GroupUse, Hour, KeyUse, OwnerUse, Room, UsageReport
from .requests import Request, as_row, of_events, of_trace, to_trace
from .reuse_distance import ReuseDistances

HOURS = 24 * 366
"""Hours that are remembered."""

WINDOW = 500
"""Requests of a window of popularity."""

WINDOWS = (100, 1000, 10_000)
"""Numbers of requests that working sets are told of."""

GAPS = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Shares of repeats whose gaps are told."""

SHARES = (0.01, 0.1)
"""Rooms of replays, as shares of the bytes of all different answers, if none are asked for."""


class Analysis:
    """Gathers patterns of requests.

    Args:
        replayed: requests that are kept for replays, the last ones.
        most: keys, owners and groups that the report names.
    """

    def __init__(self, replayed: int = 20_000, most: int = 20) -> None:
        self.requests = 0
        self._most = most
        self._kinds: Counter[str] = Counter()
        self._took = self._saved = 0.0
        self._times: tuple[float, float] | None = None
        self._hours: dict[int, list[int]] = {}
        self._keyed = 0
        self._keys, self._groups = AgedCounts(), AgedCounts()
        self._repeats, self._gaps = Repeats(), Arrivals()
        self._distinct = HyperLogLog()
        self._sets = [WorkingSet(window) for window in WINDOWS]
        self._distances = ReuseDistances()
        self._drift = Drift()
        self._popularity = Popularity(WINDOW)
        self._last: deque[tuple[int, int, int, int, float]] = deque(maxlen=replayed)

    def add(self, request: Request) -> None:
        """Note a request; they come in order of time."""
        self.requests += 1
        now = self.requests
        hit = None if request.kind is None else request.kind in STORED
        if request.kind is not None:
            self._kinds[request.kind] += 1
        self._took += request.took
        self._saved += request.saved
        if request.time is not None:
            self._times = (request.time if self._times is None else self._times[0], request.time)
            self._count_hour(int(request.time // 3600), bool(hit))
        if request.group:
            self._groups.add(request.group, now)
            self._popularity.add(request.group, now)
        self._drift.add(now, hit, request.group)
        if request.key:
            self._add_key(request, now)

    def _add_key(self, request: Request, now: int) -> None:
        self._keyed += 1
        self._keys.add(request.key, now)
        self._repeats.add(request.key, request.owner)
        self._distinct.add(request.key)
        for held in self._sets:
            held.add(request.key, now)
        if request.time is not None:
            self._gaps.add(request.key, request.time)
        if request.replayable:
            self._distances.add(request.key, request.size)
            self._last.append(as_row(request))

    def _count_hour(self, hour: int, hit: bool) -> None:
        counts = self._hours.setdefault(hour, [0, 0])
        counts[0] += 1
        counts[1] += hit
        if len(self._hours) > HOURS:
            del self._hours[min(self._hours)]

    def report(self, rooms: Sequence[int] | None = None, policies: Sequence[str] = ("lru",)) -> UsageReport:
        """Return what was gathered.

        Args:
            rooms: bytes of caches that the last requests are replayed for; if none are given, 1 % and 10 % of all
                different answers among them.
            policies: names of policies that are replayed.

        Raises:
            UsageError: if a policy or a room is none.
        """
        now, keyed = self.requests, max(1, self._keyed)
        curve = self._distances.rooms()
        owners = sorted(self._repeats.owners.items(), key=lambda item: -item[1].requests)[: self._most]
        gaps = self._gaps.gaps.get("")
        return UsageReport(
            requests=now,
            first=self._times[0] if self._times else None,
            last=self._times[1] if self._times else None,
            kinds=dict(sorted(self._kinds.items())),
            took=self._took,
            saved=self._saved,
            keyed=self._keyed,
            anybody=self._repeats.anybody / keyed,
            own=self._repeats.own / keyed,
            last_own=self._repeats.last / keyed,
            distinct=self._distinct.estimate(),
            working_sets={int(held.window): held.estimate(now) for held in self._sets if held.window <= now},
            gaps={share: gaps.quantile(share) for share in GAPS} if gaps else {},
            keys=tuple(KeyUse(key, count) for key, count in self._keys.top(self._most, now)),
            groups=tuple(
                GroupUse(group, count, self._popularity.forecast(group))
                for group, count in self._groups.top(self._most, now)
            ),
            window=WINDOW,
            owners=tuple(OwnerUse(owner, known.requests, known.own, known.last) for owner, known in owners),
            hours=tuple(Hour(hour, *counts) for hour, counts in sorted(self._hours.items())),
            drift=tuple(self._drift.points),
            detector=self._drift.detector,
            curve=tuple(map(CurvePoint, curve, self._distances.hit_rates(curve).tolist())),
            rooms=tuple(self._rooms(rooms, policies)),
        )

    def _rooms(self, rooms: Sequence[int] | None, policies: Sequence[str]) -> list[Room]:
        trace = to_trace(self._last)
        if rooms is None:
            whole = sum(dict(zip(trace.key.tolist(), trace.size.tolist(), strict=True)).values())
            rooms = sorted({int(whole * share) for share in SHARES} - {0})
        count = max(1, len(trace))
        return [
            Room(
                room,
                len(trace),
                {name: simulate(policy(name, room), trace).hit_rate for name in policies},
                best_offline(trace, room).hit_rate,
                upper_bound(trace, room).hits / count,
            )
            for room in rooms
        ]


def analyse(
    source: EventStore | Trace | Iterable[Event],
    *,
    where: Where = ALL,
    rooms: Sequence[int] | None = None,
    policies: Sequence[str] = ("lru",),
) -> UsageReport:
    """Return the report of a store, a trace, or events in order of time.

    Args:
        source: where requests are read.
        where: which events of a store or of events are meant; a trace is read as a whole.
        rooms: bytes of caches to replay, as of `Analysis.report`.
        policies: names of policies to replay.

    Raises:
        StoreError: if the store cannot be read.
        UsageError: if a policy or a room is none.
    """
    analysis = Analysis()
    if isinstance(source, Trace):
        requests = of_trace(source)
    elif isinstance(source, EventStore):
        requests = of_events(source.read(where))
    else:
        requests = of_events(event for event in source if where.meets(event))
    for request in requests:
        analysis.add(request)
    return analysis.report(rooms, policies)
