"""Values that cannot be measured or copied, keys that are huge, names without an end: none harms who asks."""

from __future__ import annotations

import asyncio
import copy
import sys
import warnings

import numpy as np
import pytest

from evocache import LearningCache, cached
from evocache.errors import EvocacheWarning
from evocache.usage.cache.entry import OVERHEAD
from evocache.usage.warner import MOST, Warner

SETTINGS = {"secret": b"s" * 32, "upkeep": False}


class Unsized:
    def __sizeof__(self):
        raise ValueError("no size")


class Uncopyable:
    def __deepcopy__(self, memo):
        raise ValueError("no copy")


class Changing:
    """Cannot even be asked what it is."""

    @property
    def __class__(self):
        raise ValueError("no class")


class Bottomless:
    """Holds itself in ever new objects."""

    def __deepcopy__(self, memo):
        return copy.deepcopy(Bottomless(), memo)


@pytest.mark.parametrize("kind", [Unsized, Uncopyable, Changing, Bottomless])
def test_an_answer_that_cannot_be_kept_is_given(kind, tmp_path):
    held = LearningCache("1MB", disk=tmp_path, **SETTINGS)
    answer = kind()
    with pytest.warns(EvocacheWarning, match="not kept"):
        assert held.get_or_compute("q", lambda: answer) is answer
    assert asyncio.run(held.aget_or_compute("q", lambda: answer)) is answer
    assert held.stats.refused == 2
    assert len(held) == len(held._answers.flights) == 0
    assert held.get_or_compute("other", lambda: 1) == 1
    held.close()


class Twice:
    """Can be copied so many times, and no more."""

    def __init__(self, left):
        self.left = left

    def __deepcopy__(self, memo):
        if not self.left:
            raise ValueError("worn out")
        return Twice(self.left - 1)


@pytest.mark.parametrize("ask", ["get", "aget", "[]", "stale"])
def test_an_answer_that_can_be_copied_once_alone_is_computed_anew(ask):
    now = [0.0]
    held = LearningCache("1MB", ttl=10, stale=100, clock=lambda: now[0], **SETTINGS)
    held.get_or_compute("q", lambda: Twice(1))
    now[0] = 50.0 if ask == "stale" else 0.0
    asked = {
        "get": lambda: held.get_or_compute("q", lambda: "anew"),
        "aget": lambda: asyncio.run(held.aget_or_compute("q", lambda: "anew")),
        "[]": lambda: held.get("q", "anew"),
    }
    with pytest.warns(EvocacheWarning, match="worn out"):
        assert asked.get(ask, asked["get"])() == "anew"
    held.close()
    assert held.get_or_compute("q", lambda: "anew") == "anew"


def test_long_questions_of_short_answers_are_held_within_the_bytes():
    held = LearningCache(1_000_000, policy="lru", **SETTINGS)
    for number in range(100):
        held.get_or_compute(f"{number} " * 50_000, lambda: 1)
        held.get_or_compute((number, "x" * 100_000), lambda: 1)
    taken = sum(sys.getsizeof(entry.name) + sys.getsizeof(entry.key) for entry in held._contents.entries.values())
    assert 0 < taken <= 1_000_000
    assert held.stats.bytes <= 1_000_000
    assert held.stats.evictions > 100
    held.put("short", 1, size=10)
    assert held._contents.entries["short"].size == 10 + OVERHEAD


def test_a_function_of_large_arguments_keeps_none_of_them(tmp_path):
    @cached(disk=tmp_path, **SETTINGS)
    def mean(values):
        return float(values.mean())

    values = np.arange(100_000.0)
    assert mean(values) == mean(values.copy()) == 49_999.5
    assert mean.cache.stats.computed == 1
    assert len(mean.key(values)) < 100
    values[0] = 100_000.0
    assert mean(values) == 50_000.5
    assert mean.cache.stats.bytes < 2 * (OVERHEAD + 100)
    mean.cache.close()


def test_long_names_of_owners_are_not_remembered():
    held = LearningCache("1MB", **SETTINGS)
    for number in range(20):
        held.get_or_compute("q", lambda: 1, owner=f"{number}" * 100_000)
    assert held.stats.requests == 20
    assert held._answers.names._owners == {}


def test_a_program_that_makes_ever_new_types_is_warned_so_often_and_no_more():
    warner = Warner()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for number in range(MOST + 50):
            warner.warn(f"type {number}", "it cannot be kept")
    assert len(said) == len(warner._said) == MOST


def test_a_coroutine_that_a_plain_request_computes_is_said_to_be_awaited():
    async def fetch():
        return 1

    held = LearningCache("1MB", **SETTINGS)
    with pytest.warns(EvocacheWarning, match="aget_or_compute"):
        coroutine = held.get_or_compute("q", fetch)
    assert asyncio.run(coroutine) == 1


def test_a_tier_that_raises_is_as_good_as_empty():
    class Broken:
        def __bool__(self):
            return True

        def get(self, *_):
            raise ValueError("broken")

        def put(self, *_):
            raise ValueError("broken")

    held = LearningCache("1MB", **SETTINGS)
    held._answers.below = Broken()
    with pytest.warns(EvocacheWarning, match="broken"):
        assert held.get_or_compute("q", lambda: 1) == 1
    assert held.get_or_compute("q", lambda: 2) == 1
