"""What holds for every store: memory, SQLite, Postgres."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import get_args

import pytest

from evocache.errors import RecordError
from evocache.usage.records.event import Event
from evocache.usage.records.retention import Removed, Retention, enforce
from evocache.usage.records.store import Where
from evocache.usage.records.summary import By, summarize
from tests.usage.records.events import event, full, many

ALICE, BOB = b"\x01" * 8, b"\x02" * 8


def test_what_was_appended_is_read(store):
    assert store.append([]) == 0
    assert list(store.read()) == []
    whole = replace(full(), text=None)
    assert store.append([whole, event(999.0)]) == 2
    assert list(store.read()) == [event(999.0), whole]


def test_events_come_in_order_of_time_and_then_as_they_came(store):
    events = [event(float(time), key=bytes([number])) for number, time in enumerate([5, 3, 5, 4, 3])]
    store.append(events[:2])
    store.append(events[2:])
    assert [(e.time, e.key[0]) for e in store.read()] == [(3, 1), (3, 4), (4, 3), (5, 0), (5, 2)]


def test_many_events_are_read_page_by_page(store):
    events = many(2500)
    for start in range(0, 2500, 800):
        store.append(events[start : start + 800])
    assert list(store.read()) == events
    mine = Where(tenant="acme", owner=ALICE)
    assert list(store.read(mine)) == [e for e in events if mine.meets(e)]


def test_events_of_one_time_are_read_once_over_pages(store):
    events = [event(7.0, size=number) for number in range(2100)]
    store.append(events)
    assert list(store.read()) == events


@pytest.mark.parametrize(
    "where",
    [
        Where(),
        Where(since=1005.0),
        Where(until=1005.0),
        Where(since=1005.0, until=1010.0),
        Where(tenant="acme"),
        Where(tenant="nobody"),
        Where(owner=ALICE),
        Where(tenant="other", owner=BOB, since=1003.0),
        Where(key=b"k" * 8),
    ],
    ids=str,
)
def test_a_part_is_read_and_counted(store, where):
    events = [*many(200), event(1005.0), event(1010.0)]
    store.append(events)
    expected = sorted((e for e in events if where.meets(e)), key=lambda e: e.time)
    assert list(store.read(where)) == expected
    assert store.count(where) == len(expected)


@pytest.mark.parametrize("by", get_args(By))
def test_sums_are_those_of_the_events(store, by):
    events = many(300, start=7000.0)
    store.append(events)
    where = Where(until=7020.0)
    found = store.summarize(by, where)
    assert found == summarize([e for e in events if where.meets(e)], by, None)
    assert sum(one.requests for one in found) == store.count(where)
    assert store.summarize(by, where, most=2) == found[:2]


def test_sums_are_known_on_paper(store):
    store.append(
        [
            event(3599.0, kind="miss", size=10, seconds={"compute": 2.0}, owner=ALICE),
            event(3600.0, kind="hit", size=10, seconds={"load": 0.25}, saved=1.75, owner=ALICE),
            event(7199.0, kind="stale", size=10, saved=2.0, owner=BOB),
            event(7300.0, kind="joined", size=10, saved=1.0, owner=BOB),
        ]
    )
    (whole,) = store.summarize()
    assert (whole.requests, whole.hits, whole.size, whole.took, whole.saved) == (4, 2, 40, 2.25, 4.75)
    assert [(one.value, one.requests) for one in store.summarize("hour")] == [(0, 1), (1, 2), (2, 1)]
    assert [one.value for one in store.summarize("hour", most=1)] == [2]
    assert [(one.value, one.kinds) for one in store.summarize("owner")] == [
        (ALICE, {"hit": 1, "miss": 1}),
        (BOB, {"joined": 1, "stale": 1}),
    ]
    with pytest.raises(RecordError, match="colour"):
        store.summarize("colour")


def test_an_owner_is_deleted_within_a_tenant_alone(store):
    events = [event(tenant=t, owner=o) for t in ("acme", "other") for o in (ALICE, BOB) for _ in range(3)]
    store.append(events)
    assert store.delete_owner("acme", ALICE) == 3
    assert store.delete_owner("acme", ALICE) == 0
    assert store.count() == 9
    assert store.count(Where(owner=ALICE)) == 3
    assert store.count(Where(tenant="acme", owner=ALICE)) == 0


def test_an_owner_takes_all_along(store):
    events = many(100)
    store.append(events)
    lines = [*store.export_owner("acme", ALICE)]
    assert [Event.from_json(line) for line in lines] == [e for e in events if (e.tenant, e.owner) == ("acme", ALICE)]
    assert lines


def test_texts_are_kept_only_where_that_was_chosen(make):
    whole = full()
    kept = {}
    for privacy in ("text", "digest", "none"):
        with make(privacy=privacy) as opened:
            before = opened.count()
            opened.append([whole])
            kept[privacy] = list(opened.read())[before]
    assert kept["text"] == whole
    assert kept["digest"] == replace(whole, text=None)
    assert kept["none"] == replace(whole, text=None, key=b"", owner=b"", group=b"")


def test_the_oldest_leave_first(store):
    store.append([event(float(time)) for time in (5, 1, 4, 2, 3)])
    assert store.delete_oldest(2) == 2
    assert [e.time for e in store.read()] == [3, 4, 5]
    assert store.delete_oldest(9, before=4.0) == 1
    assert store.delete_oldest(9, before=4.0) == 0
    assert [e.time for e in store.read()] == [4, 5]


def test_retention_by_age_number_and_bytes(make):
    store = make(retention=Retention(None, None, None))
    store.append(many(3000))
    assert enforce(store, Retention(100.0, None, None), now=1200.0).max_seconds == sum(
        e.time < 1100 for e in many(3000)
    )
    left = store.count()
    assert left == 2000
    assert enforce(store, Retention(None, 700, None), now=0.0) == Removed(max_events=1300)
    half = store.used_bytes() // 2
    removed = enforce(store, Retention(None, None, half), now=0.0)
    assert store.used_bytes() <= half
    assert 150 <= removed.max_bytes <= 550
    assert [e.time for e in store.read()] == [e.time for e in many(3000)[2300 + removed.max_bytes :]]
    assert enforce(store, Retention(None, None, None), now=1e9) == Removed()


def test_a_store_looks_after_its_limits_as_events_come_in(make):
    store = make(retention=Retention(None, 500, None))
    for start in range(0, 3000, 100):
        store.append(many(3000)[start : start + 100])
        assert store.count() <= 500 + 1000
    assert [*store.read()][-1] == many(3000)[-1]


def test_old_events_leave_by_the_clock(make):
    store = make(retention=Retention(max_seconds=50.0), clock=lambda: 1100.0)
    store.append([event(1049.0), event(1051.0)])
    assert [e.time for e in store.read()] == [1051.0]


@pytest.mark.parametrize("wrong", [{"max_seconds": 0.0}, {"max_events": -1}, {"max_bytes": 0}], ids=str)
def test_limits_that_are_none_are_refused(wrong):
    with pytest.raises(RecordError, match=next(iter(wrong))):
        Retention(**wrong)


def test_threads_share_a_store(store):
    def write(number: int) -> None:
        for time in range(5):
            store.append([event(1000.0 + time, size=number) for _ in range(10)])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sizes = [e.size for e in store.read()]
    assert [sizes.count(number) for number in range(4)] == [50] * 4


def test_bytes_grow_with_events_and_shrink_without_them(store):
    store.append(many(1000))
    one = store.used_bytes()
    store.append(many(1000))
    assert 1.5 < store.used_bytes() / one < 2.5
    store.delete_oldest(1000)
    store.delete_oldest(500)
    assert 0.2 < store.used_bytes() / one < 0.8
    store.close()
    store.close()
