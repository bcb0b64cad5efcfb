"""A loop does not stand still while a tier below is written, waited for, or deletes."""

from __future__ import annotations

import asyncio
import threading

import pytest

from evocache import LearningCache
from evocache.usage.cache.lower_tiers import LowerTiers


@pytest.fixture
def below(monkeypatch):
    """Notes in which threads the tiers below are used, by what they do."""
    threads = {}

    def watch(name):
        real = getattr(LowerTiers, name)

        def watched(self, *arguments):
            threads.setdefault(name, set()).add(threading.get_ident())
            return real(self, *arguments)

        monkeypatch.setattr(LowerTiers, name, watched)

    for name in ("get", "put", "delete", "flush"):
        watch(name)
    return threads


def test_coroutines_leave_tiers_to_threads(tmp_path, below):
    async def ask():
        async def work():
            await cache.ainvalidate("q")  # so that it is deleted where it was written
            return [1]

        assert await cache.aget_or_compute("q", work) == [1]
        assert await cache.aget_or_compute("q", lambda: [2]) == [2]
        assert await cache.ainvalidate("q")
        return threading.get_ident()

    with LearningCache("1MB", secret=b"s" * 32, upkeep=False, disk=tmp_path, durable=True) as cache:
        loop = asyncio.run(ask())
    assert below.keys() == {"get", "put", "delete", "flush"}
    assert loop not in set().union(*below.values())


def test_answers_are_computed_anew_in_a_loop_without_it_as_well(tmp_path, below):
    now = [0.0]

    async def ask():
        await cache.aget_or_compute("q", lambda: 1)
        now[0] = 15.0
        assert await cache.aget_or_compute("q", lambda: 2) == 1
        while cache.get("q") != 2:
            await asyncio.sleep(0.001)
        return threading.get_ident()

    settings = {"clock": lambda: now[0], "ttl": 10, "stale": 10}
    with LearningCache("1MB", secret=b"s" * 32, upkeep=False, disk=tmp_path, **settings) as cache:
        assert asyncio.run(ask()) not in below["put"]
