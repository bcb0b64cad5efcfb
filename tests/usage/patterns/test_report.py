"""Reports of usage: from a store, from events, from a trace; figures that are known on paper."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import numpy as np
import pytest

from evocache.errors import UsageError
from evocache.usage.patterns.report.analysis import analyse
from evocache.usage.patterns.report.contents import Hour, OwnerUse, UsageReport
from evocache.usage.policies.lru import LRU
from evocache.usage.policies.simulate import simulate
from evocache.usage.policies.trace import Trace
from evocache.usage.records.event import Event
from evocache.usage.records.memory import MemoryStore
from evocache.usage.records.open_store import open_store
from evocache.usage.records.retention import Retention
from evocache.usage.records.store import Where

A, B, FOX, ALICE, BOB = (bytes([number]) * 8 for number in range(1, 6))


def event(time: float, key: bytes, kind: str, **values) -> Event:
    return Event(time, "acme", key, kind, **{"size": 100, **values})


FEW = [
    event(3600.0, A, "miss", owner=ALICE, group=FOX, seconds={"wait": 0.5, "compute": 2.0}),
    event(3601.0, A, "hit", owner=ALICE, group=FOX, seconds={"load": 0.1}, saved=2.0),
    event(3605.0, A, "joined", owner=BOB, group=FOX, seconds={"wait": 1.0}, saved=1.0),
    event(7200.0, B, "stale", owner=BOB, saved=2.0),
    event(7201.0, A, "shed", owner=ALICE, size=0),
    event(7202.0, b"", "miss", seconds={"compute": 2.0}),
]


def test_figures_are_known_on_paper():
    report = analyse(FEW, rooms=[100, 1000])
    assert (report.requests, report.first, report.last, report.keyed) == (6, 3600.0, 7202.0, 5)
    assert report.kinds == {"hit": 1, "joined": 1, "miss": 2, "shed": 1, "stale": 1}
    assert (report.hit_rate, report.share("joined", "shed")) == (2 / 6, 2 / 6)
    assert report.took == pytest.approx(5.6)
    assert report.saved == pytest.approx(5.0)
    assert (report.anybody, report.own, report.last_own) == (3 / 5, 2 / 5, 2 / 5)
    assert report.distinct == pytest.approx(2, abs=0.01)
    assert report.owners == (OwnerUse(ALICE, 3, 2, 2), OwnerUse(BOB, 2, 0, 0))
    assert report.hours == (Hour(1, 3, 1), Hour(2, 3, 1))
    assert report.by_hour_of_day(offset=23)[:3] == [3, 3, 0]
    assert report.keys[0].key == A
    assert report.keys[0].requests == pytest.approx(4, abs=0.01)
    assert [group.group for group in report.groups] == [FOX]
    assert 3 <= report.gaps[0.5] <= 5
    assert report.gaps[0.9] > 3000
    assert (report.working_sets, report.drift) == ({}, ())
    # A, A, A, B are what a cache could have answered
    small, large = report.rooms
    assert (small.requests, small.hit_rates, small.best_offline, small.bound) == (4, {"lru": 0.5}, 0.5, 0.5)
    assert (small.seconds, small.saved, small.best_offline_saved) == (7.0, {"lru": 3.0}, 3.0)
    assert [(one.begin, one.requests, one.hits) for one in report.parts] == [(0.0, 6, 2)]
    assert (report.time_width, sum(one.requests for one in report.times)) == (60, 6)
    assert report.askers == pytest.approx(2, abs=0.01)
    assert report.replayed_curve == report.curve
    assert large.hit_rates == {"lru": 0.5}
    assert report.curve[-1].hit_rate == 0.5


def many(count: int) -> list[Event]:
    """A popular tenth of keys, which changes after a half; hits as an LRU of 60 answers has them."""
    draw, cache = random.Random(0), LRU(60 * 100)
    found = []
    for now in range(1, count + 1):
        number = 1 + min(int(draw.expovariate(0.05)), 300) + 1000 * (now > count // 2)
        held = number in cache
        simulate(cache, Trace.of([number], size=100, time=[now]))
        key, owner = number.to_bytes(8, "big"), draw.choice([ALICE, BOB])
        group = (1 + number // 10).to_bytes(8, "big")
        found.append(event(1000.0 + now, key, "hit" if held else "miss", owner=owner, group=group))
    return found


def test_what_a_cache_could_do_is_what_caches_do():
    events = many(4000)
    report = analyse(events, rooms=[1600, 6000], policies=("lru", "s3fifo"))
    assert report.rooms[1].hit_rates["lru"] == report.hit_rate
    for room in report.rooms:
        assert room.hit_rates["lru"] < room.best_offline <= room.bound
        assert room.hit_rates.keys() == {"lru", "s3fifo"}
    rates = [point.hit_rate for point in report.curve]
    assert rates == sorted(rates)
    below, above = (next(p for p in report.curve if p.max_bytes == size) for size in (4096, 8192))
    assert below.hit_rate < report.hit_rate < above.hit_rate
    assert report.working_sets.keys() == {100, 1000}
    assert report.distinct == pytest.approx(len({e.key for e in events}), rel=0.05)
    (change,) = [point for point in report.drift if point.of == "popularity"]
    assert 2000 < change.now < 2400
    assert change.before > change.after
    assert report.groups[0].forecast > 50


def test_a_store_says_the_same_as_its_events(tmp_path):
    events = many(2500)
    with open_store(tmp_path / "usage.db", retention=Retention(None, None, None)) as store:
        store.append(events)
        assert analyse(store) == analyse(events)
        part = Where(owner=ALICE, since=1500.0)
        assert analyse(store, where=part) == analyse(events, where=part)
        assert [(one.hour, one.requests, one.hits) for one in analyse(store).hours] == [
            (one.value, one.requests, one.hits) for one in store.summarize("hour")
        ]


def test_a_trace_says_what_it_can():
    events = many(1500)
    numbers = np.array([int.from_bytes(e.key, "big") for e in events])
    report = analyse(Trace.of(numbers, size=100, owner=1, group=1 + numbers // 10, seconds=0), rooms=[6000])
    recorded = analyse(events, rooms=[6000])
    assert (report.kinds, report.first, report.hours, report.gaps) == ({}, None, (), {})
    assert report.anybody == recorded.anybody
    assert report.rooms == recorded.rooms
    assert report.keys[0].key == int.from_bytes(recorded.keys[0].key, "big")


def test_without_digests_only_figures_are_told():
    with MemoryStore(privacy="none", retention=Retention(None, None, None)) as store:
        store.append(FEW)
        report = analyse(store)
    assert (report.requests, report.keyed, report.hit_rate) == (6, 0, 2 / 6)
    assert (report.keys, report.owners, report.groups, report.curve, report.rooms) == ((), (), (), (), ())
    assert report.hours == analyse(FEW).hours


def test_nothing_is_reported_of_nothing():
    for nothing in ([], Trace.of([])):
        report = analyse(nothing)
        assert (report.requests, report.hit_rate, report.distinct, report.curve) == (0, 0, 0, ())


def test_a_report_can_be_written_as_json():
    report = analyse(many(1200))
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert plain.keys() == UsageReport.__dataclass_fields__.keys()
    assert plain["owners"][0]["owner"] in (ALICE.hex(), BOB.hex())
    assert plain["rooms"][0]["hit_rates"]["lru"] == report.rooms[0].hit_rates["lru"]


def test_an_unknown_policy_is_refused():
    with pytest.raises(UsageError, match="lruu"):
        analyse(FEW, policies=("lruu",))
    assert analyse([replace(e, size=0) for e in FEW]).rooms == ()
