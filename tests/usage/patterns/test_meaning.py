"""What the figures of a report mean, in words that follow the figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evocache.usage.patterns.drift import DriftPoint
from evocache.usage.patterns.report.analysis import analyse
from evocache.usage.patterns.report.contents import UsageReport
from evocache.usage.patterns.report.meaning import explain, format_span, tell_samples
from evocache.usage.records.event import Event


def usage(keys: list[int], owners: list[int], every: float = 60.0) -> UsageReport:
    events = [
        Event(1_790_000_000.0 + every * i, "", bytes([key] * 8), "miss", owner=bytes([owner] * 8), size=100)
        for i, (key, owner) in enumerate(zip(keys, owners, strict=True))
    ]
    return analyse(events, rooms=[300])


def test_who_repeats_decides_what_is_advised() -> None:
    own = explain(usage([1 + i % 5 for i in range(100)], [1 + i % 5 for i in range(100)]))
    assert "95% of the questions had been asked before" in own["repeats"]
    assert "name owners" in own["repeats"]
    others = explain(usage([1 + i // 20 for i in range(100)], [1 + i % 20 for i in range(100)]))
    assert "one cache for all" in others["repeats"]
    new = explain(usage([1 + i for i in range(100)], [1] * 100))
    assert "0% of the questions" in new["repeats"]
    assert "ignore=" in new["repeats"]


def test_a_heavy_owner_is_told() -> None:
    heavy = explain(usage([1] * 10, [1] * 8 + [2, 3]))
    assert "sends 80.0% of the requests" in heavy["owners"]
    assert "tenant=" in heavy["owners"]
    even = explain(usage([1] * 10, list(range(1, 11))))
    assert "nothing has to be done" in even["owners"]
    assert "owner=" in explain(replace(usage([1], [1]), owners=()))["owners"]


def test_hours_are_told_of_a_day_or_more() -> None:
    short = explain(usage([1] * 10, [1] * 10))
    assert "less than a day" in short["hours"]
    long = explain(usage([1] * 49, [1] * 49, every=3600.0))
    assert "busiest hour begins at" in long["hours"]
    assert "Half of the repeats come within" in long["again"]
    assert {"hours", "again"}.isdisjoint(explain(replace(usage([1], [1]), first=None, gaps={})))


def test_changes_are_counted() -> None:
    found = usage([1] * 10, [1] * 10)
    assert "no change" in explain(found)["drift"]
    told = explain(replace(found, drift=(DriftPoint(8, "hit rate", 0.5, 0.25),)))["drift"]
    assert "once" in told
    assert "80% of the way through, when hit rate went from 50% to 25%" in told


def test_the_better_policy_is_advised_only_where_it_is_better() -> None:
    found = usage([1 + i % 5 for i in range(100)], [1] * 100)
    room = replace(found.rooms[0], hit_rates={"learned": 0.4, "lru": 0.2}, saved={"learned": 80.0, "lru": 40.0})
    better = explain(replace(found, rooms=(replace(room, best_offline=0.6),)))["rooms"]
    assert "policy='learned', the default, would have had 100% more hits than LRU (40.0%, not 20.0%)" in better
    assert "saved 40 s more" in better
    assert "50% of the way" in better
    same = explain(replace(found, rooms=(replace(room, hit_rates={"learned": 0.2, "lru": 0.2}),)))["rooms"]
    assert "policy='lru' costs least" in same


def test_what_was_sampled_is_told() -> None:
    found = usage([1 + i % 5 for i in range(100)], [1] * 100)
    assert tell_samples(found) == ()
    room = replace(found.rooms[0], requests=40)
    told = tell_samples(replace(found, skipped=900, curve_keys=0.25, rooms=(room,), distinct=70_000.0))
    assert told[0] == "The last 100 of 1,000 requests were read."
    assert ["40 requests" in told[1], "25.0% of the keys" in told[2], "65,536 keys" in told[3]] == [True] * 3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.05, "50 ms"), (12.34, "12.3 s"), (600, "10 min"), (7200, "2 h"), (3 * 86400, "3 days"), (1e8, "1,157 days")],
)
def test_spans_are_in_the_unit_that_a_person_would_name(seconds: float, text: str) -> None:
    assert format_span(seconds) == text
