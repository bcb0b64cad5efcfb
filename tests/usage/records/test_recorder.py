"""The recorder: whatever happens to the store, the cache beside it goes on, and drops are counted."""

from __future__ import annotations

import gc
import os
import sqlite3
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from evocache.errors import RecordWarning, StoreError
from evocache.usage.records.event import Event
from evocache.usage.records.memory import MemoryStore
from evocache.usage.records.open_store import open_store
from evocache.usage.records.recorder import Recorder
from evocache.usage.records.retention import Retention
from evocache.usage.records.sql.sql_store import SqlStore
from tests.usage.records.events import event

FOREVER = Retention(None, None, None)


class Flaky(MemoryStore):
    """A store that can be away."""

    def __init__(self) -> None:
        super().__init__(retention=FOREVER)
        self.away: Exception | None = None
        self.tries = 0
        self.batches: list[int] = []

    def _append(self, events: list[Event]) -> None:
        self.tries += 1
        if self.away is not None:
            raise self.away
        self.batches.append(len(events))
        super()._append(events)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


AWAY = StoreError("a store", "one that is there", "wait")


def recorder(store: Flaky, **options: Any) -> tuple[Recorder, Clock]:
    clock = Clock()
    return Recorder(lambda: store, clock=clock, threaded=False, **options), clock


def test_events_are_written_in_batches():
    store = Flaky()
    writer, _ = recorder(store, batch=4)
    for number in range(10):
        writer.record(event(float(number)))
    assert (writer.waiting, store.count()) == (10, 0)
    assert writer.flush()
    assert store.batches == [4, 4, 2]
    assert [e.time for e in store.read()] == list(range(10))
    assert (writer.written, writer.dropped, writer.waiting) == (10, 0, 0)


def test_a_store_that_is_away_is_asked_ever_less_often_and_comes_back():
    store = Flaky()
    writer, clock = recorder(store)
    store.away = AWAY
    writer.record(event())
    tried = []

    def ask(second: int) -> None:
        clock.now, before = float(second), store.tries
        assert not writer.flush()
        if store.tries > before:
            tried.append(second)

    with pytest.warns(RecordWarning, match="not recorded now"):
        ask(0)
    for second in range(1, 2000):  # and no warning more, which would be an error
        ask(second)
    assert tried == [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111, 1411, 1711]
    assert writer.problem is AWAY
    store.away = None
    clock.now = 2011.0
    assert writer.flush()
    assert (writer.written, writer.dropped, writer.problem) == (1, 0, None)
    store.away = AWAY
    writer.record(event())
    with pytest.warns(RecordWarning):
        writer.flush()
    clock.now += 1.0
    writer.flush()
    assert store.tries == 17, "after success the pause is short again"


@pytest.mark.filterwarnings("ignore::evocache.errors.RecordWarning")
def test_what_finds_no_room_is_dropped_and_counted_the_oldest_first():
    store = Flaky()
    writer, clock = recorder(store, batch=4, most=6)
    store.away = AWAY
    for number in range(20):
        writer.record(event(float(number)))
        writer.flush()
    assert (writer.waiting, writer.dropped) == (6, 14)
    store.away, clock.now = None, 1000.0
    writer.flush()
    assert [e.time for e in store.read()] == list(range(14, 20))
    assert writer.written + writer.dropped == 20


@pytest.mark.filterwarnings("ignore::evocache.errors.RecordWarning")
def test_a_fault_of_ours_neither_raises_nor_is_met_for_ever():
    store = Flaky()
    writer, _ = recorder(store, batch=2)
    store.away = ZeroDivisionError("a fault")
    for _ in range(5):
        writer.record(event())
    assert writer.flush()
    assert (writer.dropped, writer.written) == (5, 0)
    assert isinstance(writer.problem, ZeroDivisionError)


def test_a_filter_that_raises_does_not_reach_the_cache():
    store = Flaky()
    writer, _ = recorder(store)
    store.away = AWAY
    writer.record(event())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not writer.flush()
    assert writer.waiting == 1


@pytest.mark.filterwarnings("ignore::evocache.errors.RecordWarning")
def test_a_store_that_cannot_be_opened_is_opened_later():
    store, opened = Flaky(), []

    def open_it() -> Flaky:
        opened.append(1)
        if len(opened) < 3:
            raise AWAY
        return store

    clock = Clock()
    writer = Recorder(open_it, clock=clock, threaded=False)
    writer.record(event())
    for clock.now in (0.0, 1.0, 3.0):
        writer.flush()
    assert (len(opened), store.count()) == (3, 1)


@pytest.mark.filterwarnings("ignore::evocache.errors.RecordWarning")
def test_closing_tries_once_more_and_counts_the_rest():
    store = Flaky()
    writer, _ = recorder(store)
    store.away = AWAY
    writer.record(event())
    writer.flush()
    store.away = None
    writer.close()
    assert (writer.written, writer.dropped) == (1, 0)
    writer.record(event())
    writer.close()
    assert (writer.written, writer.dropped, writer.waiting) == (1, 1, 0)
    store = Flaky()
    writer, _ = recorder(store)
    store.away = AWAY
    writer.record(event())
    writer.close()
    assert writer.dropped == 1


def test_a_thread_writes_while_the_cache_goes_on():
    written = threading.Event()

    class Signalled(Flaky):
        def _append(self, events: list[Event]) -> None:
            super()._append(events)
            written.set()

        def close(self) -> None:
            """Kept for the test to read."""

    store = Signalled()
    writer = Recorder(lambda: store, wait=0.01)
    writer.record(event())
    assert written.wait(60)
    cache = [threading.Thread(target=lambda: [writer.record(event()) for _ in range(500)]) for _ in range(4)]
    for thread in cache:
        thread.start()
    for thread in cache:
        thread.join()
    writer.close()
    assert (writer.written, store.count(), writer.dropped) == (2001, 2001, 0)


def test_one_that_nobody_has_any_more_goes_with_its_thread_and_connection(monkeypatch):
    monkeypatch.setattr("evocache.usage.records.recorder.IDLE", 0.01)

    class Closed(Flaky):
        closed = False

        def close(self) -> None:
            self.closed = True

    store = Closed()
    writer = Recorder(lambda: store, wait=0.01)
    for _ in range(3):  # again and again: the thread begins anew
        writer.record(event())
        thread = writer._thread
        thread.join(60)
        assert not thread.is_alive()
    reference = weakref.ref(writer)
    del writer
    gc.collect()
    assert reference() is None
    assert store.closed
    assert store.count() == 3


END = """
import os, sys
from evocache.usage.records.open_store import open_store
from evocache.usage.records.open_store import open_store
from evocache.usage.records.recorder import Recorder
from tests.usage.records.events import event
recorder = Recorder(lambda: open_store(sys.argv[1], clock=lambda: 1000.0), wait=0.01)
recorder.record(event(tenant="parent"))
while recorder.written < 1:
    pass
if sys.argv[2] == "fork":
    recorder.record(event(tenant="parent"))
    if (child := os.fork()) == 0:
        recorder.record(event(tenant="child"))
        recorder.close()
        os._exit(recorder.written - 1)
    assert os.waitpid(child, 0)[1] == 0
recorder.record(event(tenant="last"))
"""


@pytest.mark.parametrize(
    "how", ["end", pytest.param("fork", marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork"))]
)
def test_what_waits_is_written_once_at_the_end(how, tmp_path):
    """Also by a child process, which does not write what its parent was about to."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    where = tmp_path / "usage.db"
    done = subprocess.run(
        [sys.executable, "-c", END, str(where), how], env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    with open_store(where, retention=FOREVER) as store:
        tenants = sorted(e.tenant for e in store.read())
    assert tenants == (["last", "parent"] if how == "end" else ["child", "last", "parent", "parent"])


@pytest.mark.parametrize("fault", ["locked", "away"])
@pytest.mark.filterwarnings("ignore::evocache.errors.RecordWarning")
def test_real_databases_come_back(fault, request, tmp_path):
    """`locked`: SQLite, by another process's transaction; `away`: Postgres, stopped."""
    begin: Callable[[], object]
    if fault == "locked":
        url = f"sqlite:///{tmp_path / 'usage.db'}"
        SqlStore(url).close()
        other = sqlite3.connect(tmp_path / "usage.db", isolation_level=None)
        begin, end = lambda: other.execute("BEGIN IMMEDIATE"), other.close
    else:
        postgres = request.getfixturevalue("postgres")
        url = postgres.create("recorder")
        begin, end = postgres.stop, postgres.start
    clock = Clock()
    writer = Recorder(
        lambda: SqlStore(url, retention=FOREVER, patience=0.1 if fault == "locked" else 5.0),
        clock=clock,
        threaded=False,
        most=3,
    )
    writer.record(event(0.0))
    assert writer.flush()
    begin()
    for time in range(1, 6):
        writer.record(event(float(time)))
    assert not writer.flush()
    end()
    clock.now = 10.0
    assert writer.flush()
    writer.close()
    with SqlStore(url, retention=FOREVER) as store:
        assert [e.time for e in store.read()] == [0.0, 3.0, 4.0, 5.0]
    assert (writer.written, writer.dropped) == (4, 2)


def test_events_that_are_to_be_forgotten_are_not_written():
    store = MemoryStore(clock=lambda: 1000.0)
    recorder = Recorder(lambda: store, threaded=False)
    for owner in (b"a", b"b", b"a"):
        recorder.record(event(owner=owner))
    assert recorder.forget(lambda one: one.owner == b"a") == 2
    recorder.flush()
    assert [one.owner for one in store.read()] == [b"b"]
    recorder.close()
