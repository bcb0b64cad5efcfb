"""The cache is a mapping that computes each question once, and hands out nothing that can be spoiled."""

from __future__ import annotations

import threading
import time
from math import inf

import numpy as np
import pytest

from evocache import LearningCache
from evocache.errors import EvocacheWarning, UsageError
from evocache.usage.cache.entry import OVERHEAD
from evocache.usage.learn.policies import ALL


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def cache(room="1MB", **settings):
    return LearningCache(room, **{"secret": b"s" * 32, "upkeep": False, **settings})


@pytest.mark.parametrize("policy", ALL)
def test_a_question_is_computed_once(policy):
    held, asked = cache(policy=policy), []
    for _ in range(3):
        assert held.get_or_compute("q", lambda: asked.append(1) or 42) == 42
    assert asked == [1]
    assert (held.stats.requests, held.stats.hits, held.stats.computed) == (3, 2, 1)


@pytest.mark.parametrize("policy", ALL)
def test_its_bytes_are_kept_whatever_is_asked(policy):
    room = 20_000
    held = cache(room, policy=policy)
    draw = np.random.default_rng(1)
    for key in draw.zipf(1.3, 600).tolist():
        assert held.get_or_compute(key, lambda key=key: "x" * (key % 3000), owner=key % 5) == "x" * (key % 3000)
        assert held.stats.bytes <= room
    stats = held.stats
    assert stats.hits + stats.computed == stats.requests == 600
    assert stats.entries == len(held) == len(list(held))
    assert stats.evictions > 0


def test_it_is_a_mapping():
    held = cache()
    held["a"], held[("b", 1)] = 1, [2]
    assert dict(held) == {"a": 1, ("b", 1): [2]}
    assert held.get("c", 3) == 3
    assert held.pop("a") == 1
    with pytest.raises(KeyError):
        held["a"]
    with pytest.raises(KeyError):
        del held["a"]
    held.clear()
    assert len(held) == 0
    assert held.stats.bytes == 0


def test_equal_keys_of_other_types_are_other_keys():
    held = cache()
    for key in (1, 1.0, True, "1", b"1", (1,), [1]):
        held.get_or_compute(key, lambda key=key: type(key).__name__)
    assert len(held) == 7
    assert held[True] == "bool"


def test_what_a_caller_does_to_an_answer_is_nobody_elses_business():
    held = cache()
    first = held.get_or_compute("list", lambda: [1, [2]])
    first[1].append("spoilt by who computed it")
    held["list"].append("spoilt by who was given it")
    assert held["list"] == [1, [2]]
    frozen = cache(arrays="read-only")
    array = np.arange(4)
    frozen["array"] = array
    array[0] = 9
    assert frozen["array"].tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match=r"read-only|WRITEABLE"):
        frozen["array"].setflags(write=True)


def test_an_answer_that_cannot_be_copied_is_given_and_not_kept():
    held = cache()
    with pytest.warns(EvocacheWarning, match="not kept"):
        answer = held.get_or_compute("lock", threading.Lock)
    assert not answer.locked()
    assert held.get_or_compute("lock", threading.Lock) is not answer  # and warned of once
    assert held.stats.refused == 2
    with pytest.raises(UsageError):
        held["lock"] = threading.Lock()


def test_what_raises_is_nobodys_value():
    held, tried = cache(), []

    def fail():
        tried.append(1)
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            held.get_or_compute("q", fail)
    assert tried == [1, 1]
    assert held.get_or_compute("q", lambda: 1) == 1
    assert held.stats.failed == 2


def test_an_answer_that_is_larger_than_the_room_is_given_and_not_kept():
    held = cache(10_000)
    assert held.get_or_compute("big", lambda: b"x" * 20_000) == b"x" * 20_000
    assert len(held) == 0
    assert held.stats.refused == 1


def test_sizes_and_seconds_are_measured_unless_given():
    clock = Clock()
    held = cache(clock=clock)

    def slow():
        clock.now += 7
        return "x" * 1000

    held.get_or_compute("a", slow)
    held.get_or_compute("b", lambda: "y", size=5000, seconds=2.5)
    by_key = {entry.key: entry for entry in held._contents.entries.values()}
    assert 1000 < by_key["a"].size - OVERHEAD < 1100
    assert by_key["a"].seconds == 7
    assert (by_key["b"].size, by_key["b"].seconds) == (5000 + OVERHEAD, 2.5)
    assert held["b"] == "y"
    assert held.stats.seconds_saved == 2.5


def test_answers_grow_old():
    clock = Clock()
    held, asked = cache(clock=clock, ttl=10), []

    def ask(**settings):
        return held.get_or_compute("q", lambda: asked.append(1) or len(asked), **settings)

    assert [ask(), ask()] == [1, 1]
    clock.now = 10
    assert "q" not in held
    assert ask() == 2
    clock.now = 15
    assert ask() == 2
    held.invalidate("q")
    assert ask(ttl=1) == 3
    clock.now = 16.5
    assert ask() == 4


def test_a_stale_answer_is_given_while_it_is_computed_anew():
    clock = Clock()
    held, begun, go = cache(clock=clock, ttl=10, stale=100), threading.Event(), threading.Event()
    held.get_or_compute("q", lambda: "old")

    def anew():
        begun.set()
        assert go.wait(5)
        return "new"

    clock.now = 50
    assert held.get_or_compute("q", anew) == "old"
    assert begun.wait(5)
    assert held.get_or_compute("q", lambda: "nobody asks this") == "old"
    go.set()
    for _ in range(500):
        if held.get_or_compute("q", lambda: "nor this") == "new":
            break
        time.sleep(0.01)
    assert held["q"] == "new"
    assert held.stats.stale >= 2
    clock.now = 500
    assert held.get_or_compute("q", lambda: "later") == "later"
    held.close()


def test_what_is_pinned_stays():
    held = cache(20_000, policy="lru")
    held["pinned"] = "x" * 5000
    held.pin("pinned")
    for key in range(50):
        held[key] = "y" * 3000
        assert held.stats.bytes <= 20_000
    assert "pinned" in held
    held["pinned"] = "z" * 6000  # what takes its place is pinned as well
    for key in range(50):
        held[key] = "y" * 3000
    assert held["pinned"] == "z" * 6000
    held.unpin("pinned")
    for key in range(50, 100):
        held[key] = "y" * 3000
    assert "pinned" not in held


def test_an_owner_is_a_label_and_what_was_computed_for_one_is_cleared_with_it():
    held = cache()
    held.get_or_compute("a", lambda: 1, owner="ada")
    held.get_or_compute("b", lambda: 2, owner="bob")
    assert held.get_or_compute("a", lambda: 3, owner="bob") == 1
    held.clear(owner="ada")
    assert list(held) == ["b"]


def test_hits_that_come_too_fast_are_counted_and_not_lost():
    held = cache()
    held["q"] = 1
    for _ in range(10_000):
        held["q"]
    stats = held.stats
    assert stats.hits == 10_000
    assert 0 < stats.dropped < 10_000


def test_hits_are_told_to_the_policy_before_anybody_leaves():
    held = cache(3 * (OVERHEAD + 200), policy="lru")
    for key in "abc":
        held.put(key, "x", size=200)
    held["a"]
    held.put("d", "x", size=200)
    assert sorted(held) == ["a", "c", "d"]


def test_keys_that_python_hashes_alike_are_found_at_once():
    """Numbers that are equal but for multiples of the modulus of Python's hash of numbers would all meet in a dict."""
    held, modulus = cache("64MB", policy="lru"), 2**61 - 1
    began = time.process_time()
    for n in range(1, 5001):
        held[n * modulus] = n
    assert all(held[n * modulus] == n for n in range(1, 5001))
    assert hash(modulus) == hash(2 * modulus)
    names = list(held._contents.entries)
    assert len({hash(name) for name in names}) == 5000
    assert time.process_time() - began < 60


def test_what_is_printed_says_what_it_did():
    held = cache()
    held.get_or_compute("q", lambda: 1)
    held.get_or_compute("q", lambda: 1)
    text = str(held)
    assert all(said in text for said in ("requests", "1 (50%)", "time saved", "decides now"))
    assert held.stats.decider in text
    assert "<pre" in held._repr_html_()
    assert repr(held).startswith("<LearningCache: 1 answers")


def test_arguments_that_are_none_are_refused():
    with pytest.raises(UsageError, match="s3fifo"):
        cache(policy="s4fifo")
    with pytest.raises(Exception, match="bytes"):
        cache("many")


def test_entries_without_an_end_have_none():
    held = cache()
    held["q"] = 1
    assert next(iter(held._contents.entries.values())).fresh == inf
