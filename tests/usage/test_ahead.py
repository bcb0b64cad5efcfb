"""A cache that computes ahead: off unless it is asked for, counted in its figures, and of no tenant's knowledge."""

from __future__ import annotations

import gc
import weakref

import pytest

from evocache.errors import UsageError
from evocache.usage.cache.decorator import cached
from evocache.usage.cache.learning_cache import LearningCache
from evocache.usage.profile.speculation import Asked, Proposal


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def quiet(cache: LearningCache) -> None:
    """Let the cache be idle for two looks."""
    cache._ahead.step()
    cache._ahead.step()


def test_a_function_proposes_and_stats_say_what_came_of_it():
    seen: list[Asked] = []

    def propose(asked: Asked) -> Proposal:
        seen.append(asked)
        return Proposal({"next": asked.key}, lambda: "ahead")

    with LearningCache("1MB", speculate=propose, speculate_share=1.0, upkeep=False, secret=b"s" * 32) as cache:
        for _ in range(20):
            assert cache.get_or_compute(["cat"], lambda: "asked", owner="ada") == "asked"
        quiet(cache)
        assert (seen[0].key, seen[0].owner, seen[0].probability > 0.5) == (["cat"], "ada", True)
        before = cache.stats
        assert (before.proposals, before.ahead_used, before.requests, before.computed) == (1, 0, 20, 1)
        assert cache.get_or_compute({"next": ["cat"]}, lambda: "late", owner="ada") == "ahead"
        after = cache.stats
        assert (after.hits, after.ahead_used) == (before.hits + 1, 1)
        assert "computed ahead" in str(after)
        cache.clear("ada")
        assert {"next": ["cat"]} not in cache  # what was computed for an owner is that owner's


def test_a_cache_computes_nothing_ahead_unless_it_is_told_to():
    cache = LearningCache("1MB", upkeep=False, secret=b"s" * 32)
    assert cache._ahead is None
    cache.get_or_compute("cat", lambda: 1, owner="ada")
    assert cache.stats.proposals == 0
    assert "computed ahead" not in str(cache.stats)


def test_a_repeatable_function_is_computed_anew_when_its_answer_expired():
    clock, calls = Clock(), []

    @cached(owner="user", repeatable=True, speculate_share=1.0, ttl=60, upkeep=False, clock=clock, secret=b"s" * 32)
    def report(user: str, month: str) -> str:
        calls.append(month)
        return f"{user} {month}"

    for _ in range(20):
        report("ada", "november")
    quiet(report.cache)
    assert calls == ["november"]
    clock.now = 61.0
    quiet(report.cache)
    assert calls == ["november"] * 2
    assert report("ada", "november") == "ada november"
    assert calls == ["november"] * 2
    assert (report.cache.stats.proposals, report.cache.stats.ahead_used) == (1, 1)


def test_a_function_that_is_not_said_to_be_repeatable_is_left_alone():
    clock, calls = Clock(), []

    @cached(owner="user", ttl=60, upkeep=False, clock=clock, secret=b"s" * 32)
    def report(user: str) -> str:
        calls.append(user)
        return user

    for _ in range(20):
        report("ada")
    clock.now = 61.0
    assert report.cache._ahead is None
    assert calls == ["ada"]


def test_what_cannot_be_repeated_is_refused():
    with pytest.raises(UsageError, match="owner"):

        @cached(repeatable=True)
        def nobodys(x: int) -> int:
            return x

    with pytest.raises(UsageError, match="coroutine"):

        @cached(repeatable=True, owner="x")
        async def coroutine(x: int) -> int:
            return x


@pytest.mark.parametrize("settings", [{"speculate": 3}, {"speculate": "repeat", "speculate_share": 0.0}])
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(UsageError):
        LearningCache("1MB", upkeep=False, secret=b"s" * 32, **settings)


def test_a_thread_computes_ahead_until_the_cache_is_closed_or_gone():
    cache = LearningCache("1MB", speculate=lambda asked: None, secret=b"s" * 32)
    thread = cache._ahead._upkeep._thread
    assert thread.is_alive()
    ahead = weakref.ref(cache._ahead)
    cache.get_or_compute("cat", lambda: 1, owner="ada")
    cache.close()
    thread.join(10)
    assert not thread.is_alive()
    del cache
    gc.collect()
    assert ahead() is None
