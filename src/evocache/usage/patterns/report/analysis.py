"""From requests to a report of usage: one pass, in bounded memory."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence

from ...policies.trace import Trace
from ...records.event import STORED, Event
from ...records.store import ALL, EventStore, Where
from ..arrivals import Arrivals, GapHistogram
from ..distinct import HyperLogLog, WorkingSet
from ..drift import Drift
from ..frequency import AgedCounts
from ..popularity import Popularity
from ..repeats import Repeats
from ..requests import Request, as_row, of_events, of_trace, to_trace
from ..reuse_distance import ReuseDistances
from ..settings import Key
from .contents import CurvePoint, GroupUse, Hour, KeyUse, OwnerUse, UsageReport
from .replays import Watch, replay_rooms, unwatched, usual_rooms
from .slices import COUNTS, TIMES, Slices

HOURS = 24 * 366
"""Hours that are remembered."""

WINDOW = 500
"""Requests of a window of popularity."""

WINDOWS = (100, 1000, 10_000)
"""Numbers of requests that working sets are told of."""

GAPS = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Shares of repeats whose gaps are told."""


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
        self._span: tuple[float, float] | None = None
        self._hours: dict[int, list[int]] = {}
        self._keyed = 0
        self._keys, self._groups = AgedCounts(), AgedCounts()
        self._repeats, self._gaps, self._pauses = Repeats(), Arrivals(), GapHistogram()
        self._distinct, self._askers = HyperLogLog(), HyperLogLog()
        self._times, self._parts = Slices(TIMES), Slices(COUNTS)
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
        self._parts.add(now - 1, bool(hit), request.key)
        if request.time is not None:
            self._add_time(request.time, bool(hit), request.key)
        if request.owner:
            self._askers.add(request.owner)
        if request.group:
            self._groups.add(request.group, now)
            self._popularity.add(request.group, now)
        self._drift.add(now, hit, request.group or request.key, request.time)
        if request.key:
            self._add_key(request, now)

    def _add_time(self, time: float, hit: bool, key: Key) -> None:
        if self._span is not None:
            self._pauses.add(max(0.0, time - self._span[1]))
        self._span = (time if self._span is None else self._span[0], time)
        self._times.add(time, hit, key)
        self._count_hour(int(time // 3600), hit)

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

    @property
    def trace(self) -> Trace:
        """The last requests, which are replayed."""
        return to_trace(self._last)

    def report(
        self,
        rooms: Sequence[int] | None = None,
        policies: Sequence[str] = ("lru",),
        *,
        skipped: int = 0,
        watch: Watch = unwatched,
    ) -> UsageReport:
        """Return what was gathered.

        Args:
            rooms: bytes of caches that the last requests are replayed for; if none are given, 1, 3 and 10 % of all
                different answers among them.
            policies: names of policies that are replayed, `learned` among them if it should be.
            skipped: requests before those that were added.
            watch: is told of each replay.

        Raises:
            UsageError: if a policy is unknown, or a room is no amount of bytes.
        """
        now, keyed = self.requests, max(1, self._keyed)
        owners = sorted(self._repeats.owners.items(), key=lambda item: -item[1].requests)[: self._most]
        gaps = self._gaps.gaps.get("")
        trace = self.trace
        return UsageReport(
            requests=now,
            first=self._span[0] if self._span else None,
            last=self._span[1] if self._span else None,
            kinds=dict(sorted(self._kinds.items())),
            took=self._took,
            saved=self._saved,
            keyed=self._keyed,
            anybody=self._repeats.anybody / keyed,
            own=self._repeats.own / keyed,
            last_own=self._repeats.last / keyed,
            distinct=self._distinct.estimate(),
            remembered=self._repeats.most,
            working_sets={int(held.window): held.estimate(now) for held in self._sets if held.window <= now},
            gaps={share: gaps.quantile(share) for share in GAPS} if gaps else {},
            pauses={share: self._pauses.quantile(share) for share in GAPS} if len(self._pauses) else {},
            askers=self._askers.estimate(),
            keys=tuple(KeyUse(key, count) for key, count in self._keys.top(self._most, now)),
            groups=tuple(
                GroupUse(group, count, self._popularity.forecast(group))
                for group, count in self._groups.top(self._most, now)
            ),
            window=WINDOW,
            owners=tuple(OwnerUse(owner, known.requests, known.own, known.last) for owner, known in owners),
            hours=tuple(Hour(hour, *counts) for hour, counts in sorted(self._hours.items())),
            times=self._times.read(),
            time_width=self._times.width,
            parts=self._parts.read(),
            part_width=self._parts.width,
            drift=tuple(self._drift.points),
            detector=self._drift.detector,
            curve=curve_of(self._distances),
            curve_keys=self._distances.rate,
            replayed_curve=curve_of(_distances(self._last)),
            rooms=replay_rooms(trace, usual_rooms(trace) if rooms is None else rooms, policies, watch=watch),
            skipped=skipped,
        )


def curve_of(distances: ReuseDistances) -> tuple[CurvePoint, ...]:
    """Return the hit rates of an LRU by room, at bytes of which each are twice the ones before."""
    rooms = distances.rooms()
    return tuple(map(CurvePoint, rooms, distances.hit_rates(rooms).tolist()))


def _distances(rows: Iterable[tuple[int, int, int, int, float]]) -> ReuseDistances:
    found = ReuseDistances()
    for key, _, _, size, _ in rows:
        found.add(key, size)
    return found


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
        UsageError: if a policy is unknown, or a room is no amount of bytes.
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
