"""Which uses of a cache as a mapping are requests, and what a mapping has whose answers end."""

from __future__ import annotations

import asyncio

import pytest

from evocache import LearningCache


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def held(now):
    cache = LearningCache("1MB", secret=b"s" * 32, upkeep=False, ttl=10, clock=lambda: now[0])
    cache["a"] = [1]
    cache["b"] = [2]
    return cache


def test_keeping_and_looking_through_are_no_requests(held):
    assert list(held.items()) == [("a", [1]), ("b", [2])]
    assert list(held.values()) == [[1], [2]]
    assert ("a", [1]) in held.items()
    assert ("a", [2]) not in held.items()
    assert [2] in held.values()
    assert [3] not in held.values()
    assert list(held) == list(held.keys()) == ["a", "b"]
    assert "a" in held
    assert len(held) == len(held.items()) == len(held.values()) == 2
    assert (held.stats.requests, held.stats.hits) == (0, 0)


def test_looking_up_is_a_request_whether_it_finds_or_not(held):
    held["a"]
    assert held.get("b") == [2]
    assert [held.get("none") for _ in range(2)] == [None, None]
    assert (held.stats.requests, held.stats.hits, held.stats.hit_rate) == (4, 2, 0.5)


def test_what_is_over_is_not_in_it(held, now):
    now[0] = 5.0
    held["c"] = [3]
    now[0] = 12.0
    assert len(held) == len(list(held)) == len(list(held.items())) == 1
    now[0] = 20.0
    assert len(held) == 0
    assert not held


def test_values_are_copies(held):
    next(iter(held.values())).append(9)
    dict(held.items())["b"].append(9)
    assert (held["a"], held["b"]) == ([1], [2])


def test_coroutines_look_up_memory_and_what_is_below(now, tmp_path):
    settings = {"secret": b"s" * 32, "upkeep": False, "disk": tmp_path, "clock": lambda: now[0]}

    async def look(cache, *keys):
        return [await cache.aget(key, "none", owner="ada") for key in keys]

    with LearningCache("1MB", **settings) as first:
        first["a"] = [1]
        assert asyncio.run(look(first, "a", "b")) == [[1], "none"]
    with LearningCache("1MB", **settings) as second:
        assert asyncio.run(look(second, "a", "b", "a")) == [[1], "none", [1]]
        assert "a" in second
        assert (second.stats.requests, second.stats.disk_hits, second.stats.hits) == (3, 1, 2)


def test_what_is_no_longer_fresh_is_not_found_by_coroutines(held, now):
    now[0] = 11.0
    assert asyncio.run(held.aget("a")) is None
