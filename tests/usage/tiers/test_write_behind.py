"""The queue: what was put is found at once, durable after a flush, bounded, and not lost at the end."""

from __future__ import annotations

import gc
import os
import threading
import warnings
import weakref

import pytest

from evocache.errors import EvocacheWarning
from evocache.usage.tiers import write_behind as module
from evocache.usage.tiers.disk import DiskTier
from evocache.usage.tiers.write_behind import WriteBehind

from .fakes import SECRET, Clock, MemoryTier, entry, key
from .test_disk import program


class Counting(MemoryTier):
    """Counts batches, waits where it is told to, and fails where it is told to."""

    def __init__(self, clock):
        super().__init__(1 << 30, clock)
        self.batches = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.fails = False

    def put_many(self, entries):
        given = list(entries)
        self.batches.append(len(given))
        self.entered.set()
        assert self.gate.wait(60)
        if self.fails:
            warnings.warn("off", EvocacheWarning, stacklevel=1)
            return 0
        return super().put_many(given)


def queue(clock, **options):
    return WriteBehind(Counting(clock), clock=clock, **{"thread": False, **options})


def test_puts_of_a_second_are_one_batch(clock):
    tier = queue(clock)
    for number in range(5):
        tier.put_many([(key(number), entry())])
        clock.now += 0.1
        assert tier.step() == 0
    assert tier.tier.batches == []
    clock.now += 0.6
    assert tier.step() == 5
    assert tier.tier.batches == [5]
    assert tier.step() == 0


def test_a_clock_that_jumps_back_does_not_hold_entries(clock):
    tier = queue(clock)
    tier.put_many([(key(1), entry())])
    clock.now -= 1000
    assert tier.step() == 1


def test_what_waits_is_found_and_replaced_and_withdrawn(clock):
    tier = queue(clock)
    tier.put_many([(key(1), entry(b"old", owner=b"a")), (key(2), entry(owner=b"a")), (key(3), entry(owner=b"b"))])
    tier.put_many([(key(1), entry(b"new", owner=b"a"))])
    assert tier.get(key(1)).payload == b"new"
    assert tier.delete([key(2)]) == 1
    assert tier.clear(b"b") == 1
    tier.flush()
    assert tier.tier.batches == [1]
    assert [tier.get(key(number)) is not None for number in (1, 2, 3)] == [True, False, False]


def test_a_full_queue_drops_and_counts(clock):
    tier = queue(clock, max_bytes=1000)
    assert tier.put_many((key(number), entry(bytes(300))) for number in range(5)) == 3
    assert (tier.queue.queued, tier.queue.dropped) == (3, 2)
    tier.flush()
    assert tier.put_many([(key(9), entry(bytes(1000)))]) == 1
    assert tier.put_many([(key(9), entry(bytes(1000)))]) == 1, "the same key takes no more room"
    tier.flush()
    assert (tier.queue.written, tier.queue.dropped) == (4, 2)


def test_what_the_tier_drops_is_counted(clock):
    tier = queue(clock)
    tier.tier.fails = True
    tier.put_many([(key(1), entry())])
    with pytest.warns(EvocacheWarning):
        tier.flush()
    assert (tier.queue.written, tier.queue.dropped) == (0, 1)
    tier.tier.fails = False
    tier.put_many([(key(1), entry())])
    tier.flush()
    assert tier.queue.written == 1


def test_flush_waits_for_what_is_on_its_way(clock):
    tier = queue(clock, thread=True, seconds=0)
    assert tier._thread is None, "the thread begins with the first put"
    tier.tier.gate.clear()
    tier.put_many([(key(1), entry())])
    assert tier.tier.entered.wait(60)
    assert tier.get(key(1)) is not None, "found while it is written"
    done = threading.Event()
    flush = threading.Thread(target=lambda: (tier.flush(), done.set()))
    flush.start()
    assert not done.wait(0.1)
    tier.tier.gate.set()
    assert done.wait(60)
    flush.join()
    assert tier.tier.get(key(1)) is not None
    tier.close()
    assert not tier._thread.is_alive()


def test_a_withdrawn_entry_does_not_come_back(clock):
    """It is cleared while it is on its way to the tier."""
    tier = queue(clock, thread=True, seconds=0)
    tier.tier.gate.clear()
    tier.put_many([(key(1), entry(owner=b"o"))])
    assert tier.tier.entered.wait(60)
    clear = threading.Thread(target=tier.clear, args=(b"o",))
    clear.start()
    tier.tier.gate.set()
    clear.join(60)
    tier.close()
    assert tier.get(key(1)) is tier.tier.get(key(1)) is None


def test_the_thread_outlives_warnings_that_are_errors(clock):
    tier = queue(clock, thread=True, seconds=0)
    tier.tier.fails = True
    tier.put_many([(key(1), entry())])
    assert tier.tier.entered.wait(60)
    with tier._writing:
        tier.tier.fails = False
    tier.put_many([(key(2), entry())])
    tier.close()
    assert tier.tier.get(key(2)) is not None
    assert tier.queue.dropped == 1


def test_the_end_of_a_program_writes_what_waits(tmp_path, clock):
    process = program("leaving", tmp_path / "answers.db")
    process.communicate(timeout=60)
    assert process.returncode == 0
    with DiskTier(tmp_path / "answers.db", secret=SECRET, max_bytes=1 << 20, clock=Clock(1_800_000_000.0)) as tier:
        assert tier.get(key(1)).payload == b"last words"


def test_a_child_of_a_fork_does_not_write_its_parents_entries(tmp_path, clock):
    disk = DiskTier(tmp_path / "answers.db", secret=SECRET, max_bytes=1 << 20, clock=clock, busy_seconds=20)
    tier = WriteBehind(disk, clock=clock, seconds=60)
    tier.put_many([(key(1), entry())])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        ok = tier.get(key(1)) is None
        tier.put_many([(key(2), entry(b"child"))])
        tier.flush()
        os._exit(0 if ok and tier.queue.written == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert tier.get(key(2)).payload == b"child"
    assert disk.get(key(1)) is None
    tier.close()
    assert disk.get(key(1)) is not None
    disk.close()


def test_a_queue_that_nobody_has_any_more_goes_though_nobody_closed_it(monkeypatch, clock):
    monkeypatch.setattr(module, "IDLE", 0.01)
    queue = WriteBehind(MemoryTier(1 << 20, clock), seconds=0.0, clock=clock)
    for number in range(2):  # the thread ends when nothing comes, and is begun again
        queue.put_many([(key(number), entry())])
        thread = queue._thread
        if thread is not None:
            thread.join(20)
            assert not thread.is_alive()
        assert queue._thread is None
        assert len(queue.tier) == number + 1
    gone = weakref.ref(queue)
    del queue
    gc.collect()
    assert gone() is None


def test_a_queue_that_is_closed_is_not_called_at_the_end_of_the_program(monkeypatch, clock):
    left = []
    monkeypatch.setattr(module.atexit, "unregister", left.append)
    with WriteBehind(MemoryTier(1 << 20, clock), thread=False, clock=clock) as queue:
        pass
    assert left == [queue._at_exit]
