"""Answers outlive the process on a disk, and what fails there never costs an answer."""

from __future__ import annotations

import os
import time
import warnings

import numpy as np
import pytest

from evocache import LearningCache
from evocache.errors import EvocacheWarning
from evocache.usage.upkeep import Upkeep


def cache(folder, **settings):
    return LearningCache("1MB", **{"secret": b"s" * 32, "upkeep": False, "disk": folder, **settings})


def test_an_answer_outlives_the_cache(tmp_path):
    with cache(tmp_path) as first:
        for key, value in {"text": "x", "list": [1, {"a": None}], "array": np.arange(3)}.items():
            first.get_or_compute(key, lambda value=value: value, owner="ada", seconds=2.0)
    with cache(tmp_path) as second:
        assert second.get_or_compute("list", lambda: 0) == [1, {"a": None}]
        assert second.get_or_compute("array", lambda: 0).tolist() == [0, 1, 2]
        assert second.get_or_compute("list", lambda: 0) == [1, {"a": None}]
        stats = second.stats
        assert (stats.hits, stats.disk_hits, stats.computed, stats.requests) == (3, 2, 0, 3)
        assert stats.seconds_saved == 6.0
        second.clear(owner="ada")
        assert second.get_or_compute("text", lambda: "anew") == "anew"


def test_flush_and_durable_mean_that_it_is_there(tmp_path):
    one, other = cache(tmp_path), cache(tmp_path)
    one.get_or_compute("a", lambda: 1)
    one.flush()
    assert other.get_or_compute("a", lambda: 2) == 1
    sure = cache(tmp_path, durable=True)
    sure.get_or_compute("b", lambda: 3)
    assert other.get_or_compute("b", lambda: 4) == 3
    for each in (one, other, sure):
        each.close()


def test_what_is_evicted_from_memory_is_still_on_the_disk(tmp_path):
    with cache(tmp_path, policy="lru") as held:
        for key in range(400):
            held.get_or_compute(key, lambda: "x" * 5000)
        assert held.stats.evictions > 100
        assert held.get_or_compute(0, lambda: "computed again") == "x" * 5000
        assert held.stats.disk_hits == 1
        assert held.stats.bytes <= 1_000_000


def test_what_is_invalidated_is_gone_from_every_tier(tmp_path):
    with cache(tmp_path) as held:
        held.get_or_compute("a", lambda: 1)
        held.flush()
        held.invalidate("a")
        assert held.get_or_compute("a", lambda: 2) == 2


@pytest.mark.parametrize("said", ["cache", "question"])
def test_a_ttl_that_is_said_later_ends_what_was_written_without_one(tmp_path, said):
    now = [1000.0]
    settings = {"wall": lambda: now[0], "clock": lambda: now[0]}
    with cache(tmp_path, **settings) as first:
        first.get_or_compute("a", lambda: 1)
    later, own = ({"ttl": 60}, {}) if said == "cache" else ({}, {"ttl": 60})
    now[0] = 1050.0
    with cache(tmp_path, **later, **settings) as second:
        assert second.get_or_compute("a", lambda: 2, **own) == 1
        now[0] = 1059.0
        assert "a" in second
        now[0] = 1060.0
        assert "a" not in second
    with cache(tmp_path, **later, **settings) as third:
        assert third.get_or_compute("a", lambda: 3, **own) == 3
        assert third.stats.disk_hits == 0


def test_an_end_is_an_end_on_the_disk_as_well(tmp_path):
    now = [1000.0]
    settings = {"wall": lambda: now[0], "clock": lambda: now[0]}
    with cache(tmp_path, ttl=10, **settings) as first:
        first.get_or_compute("a", lambda: 1)
    now[0] = 1005.0
    with cache(tmp_path, **settings) as second:
        assert second.get_or_compute("a", lambda: 2) == 1
        now[0] = 1009.0
        assert second["a"] == 1
        now[0] = 1010.0
        assert "a" not in second
    with cache(tmp_path, **settings) as third:
        assert third.get_or_compute("a", lambda: 3) == 3


def test_a_clock_that_jumps_gives_no_wrong_answer(tmp_path):
    """An answer of the future was written by a clock that was wrong: nobody knows when it ends."""
    now = [10_000.0]
    with cache(tmp_path, ttl=100, wall=lambda: now[0]) as first:
        first.get_or_compute("a", lambda: "then")
    now[0] = 2_000.0
    with cache(tmp_path, wall=lambda: now[0]) as second:
        assert second.get_or_compute("a", lambda: "now") == "now"


def test_requests_are_recorded_without_their_text(tmp_path):
    pytest.importorskip("sqlalchemy", reason="records need the extra [usage]")
    from evocache.usage.records.open_store import open_store

    file = tmp_path / "records.sqlite3"
    with cache(tmp_path / "disk", records=file, tenant="firm") as held:
        for _ in range(3):
            held.get_or_compute("a secret question", lambda: 1, owner="ada", group="secrets")
        with pytest.raises(ValueError, match="no"):
            held.get_or_compute("another", lambda: int("no"), owner="bob")
    with cache(tmp_path / "disk", records=file, tenant="firm") as held:
        held.get_or_compute("a secret question", lambda: 2, owner="ada")
    store = open_store(file)
    events = list(store.read())
    store.close()
    assert [event.kind for event in events] == ["miss", "hit", "hit", "failed", "hit"]
    assert [event.tier for event in events] == ["", "memory", "memory", "", "disk"]
    assert len({event.key for event in events if event.kind != "failed"}) == 1
    assert len({event.owner for event in events}) == 2
    assert {event.tenant for event in events} == {"firm"}
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"secret question" not in written
    assert b"ada" not in written


def test_tenants_of_one_disk_do_not_meet(tmp_path):
    with cache(tmp_path, tenant="a") as one, cache(tmp_path, tenant="b") as other:
        one.get_or_compute("q", lambda: 1)
        one.flush()
        assert other.get_or_compute("q", lambda: 2) == 2
        other.clear()
        other.flush()
        assert one.get_or_compute("q", lambda: 3) == 1


def test_a_value_that_no_codec_writes_stays_in_memory(tmp_path):
    with cache(tmp_path) as held:
        with pytest.warns(EvocacheWarning, match="complex"):
            held.get_or_compute("a", lambda: 1j)
        assert held.get_or_compute("a", lambda: 2j) == 1j


@pytest.mark.parametrize("harm", ["garbage", "read-only"])
def test_a_disk_that_fails_costs_no_answer(tmp_path, harm):
    with cache(tmp_path) as held:
        held.get_or_compute("a", lambda: 1)
    file = tmp_path / "answers.sqlite3"
    if harm == "garbage":
        file.write_bytes(os.urandom(8192))
    else:
        tmp_path.chmod(0o500)
        file.chmod(0o400)
        if os.geteuid() == 0:
            tmp_path.chmod(0o700)
            pytest.skip("root may write anywhere")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        held = cache(tmp_path)
        assert held.get_or_compute("a", lambda: 2) in (1, 2)
        assert held.get_or_compute("b", lambda: 3) == 3
        held.close()
    assert any(issubclass(one.category, EvocacheWarning) for one in said)


def test_a_child_process_goes_its_own_way(tmp_path):
    """After a fork the child answers from what its parent held, computes, writes and learns, and so does the parent."""
    held = LearningCache("1MB", secret=b"s" * 32, disk=tmp_path)
    held.get_or_compute("a", lambda: "of the parent")
    held.flush()
    child = os.fork()
    if not child:
        try:
            good = held.get_or_compute("a", lambda: 0) == "of the parent"
            good &= held.get_or_compute("b", lambda: "of the child") == "of the child"
            held.flush()
            os._exit(0 if good else 1)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert held.get_or_compute("b", lambda: 0) == "of the child"
    held.close()


def test_upkeep_tells_the_policy_and_ends_with_its_caches():
    upkeep = Upkeep(pause=0.01)
    held = LearningCache("1MB", secret=b"s" * 32, upkeep=False)
    held["a"] = 1
    upkeep.watch(held._contents)
    for _ in range(50):
        held["a"]
    for _ in range(500):
        if not held._contents.ring:
            break
        time.sleep(0.01)
    assert not held._contents.ring
    thread = upkeep._thread
    assert thread.is_alive()
    upkeep.forget(held._contents)
    thread.join(5)
    assert not thread.is_alive()


def test_a_cache_whose_policy_fails_does_not_end_the_learning_of_others():
    class Failing:
        def drain(self):
            raise ValueError("a fault of ours")

        def lesson(self):
            return None

    upkeep, failing = Upkeep(pause=0.01), Failing()
    held = LearningCache("1MB", secret=b"s" * 32, upkeep=False)
    held["a"] = 1
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        upkeep.watch(failing)
        upkeep.watch(held._contents)
        held["a"]
        for _ in range(500):
            if not held._contents.ring and said:
                break
            time.sleep(0.01)
    assert not held._contents.ring
    assert [str(one.message) for one in said] == ["a cache could not learn: ValueError: a fault of ours"]
    upkeep.forget(failing)
    upkeep.forget(held._contents)


def test_weights_evolve_on_the_requests_of_a_cache():
    pytest.importorskip("cmaes", reason="weights are evolved by the package cmaes")
    held = LearningCache(60_000, secret=b"s" * 32, upkeep=False)
    policy = held._contents.policy
    policy.behind = True
    for n in np.random.default_rng(1).zipf(1.2, 2500).tolist():
        held.get_or_compute(n, lambda: "x" * 300, owner=n % 7)
    assert policy._study.due(len(policy._recent))
    held.learn()
    assert not policy._study.due(len(policy._recent))
    assert policy.shadows.requests == 2500
