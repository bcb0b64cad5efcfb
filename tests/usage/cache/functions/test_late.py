"""What is computed after a call is kept only where the call's arguments are what they were."""

from __future__ import annotations

import asyncio
import threading

import pytest

from evocache.errors import EvocacheWarning
from evocache.usage.cache.decorator import cached

SETTINGS = {"secret": bytes(32), "upkeep": False}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def make():
    """A sum of a list, which waits while it is computed."""
    clock, begun, go = Clock(), threading.Event(), threading.Event()
    go.set()

    @cached(ttl=10, stale=100, clock=clock, **SETTINGS)
    def total(items: list[int]) -> int:
        begun.set()
        assert go.wait(30)
        return sum(items)

    return clock, begun, go, total


def finish(go: threading.Event, function) -> None:
    """Let it compute, and wait until what is computed anew is there."""
    go.set()
    function.cache.close()


def test_a_list_that_is_changed_while_a_stale_answer_is_computed_anew():
    clock, begun, go, total = make()
    assert total([1, 2]) == 3
    clock.now = 11.0
    begun.clear()
    go.clear()
    items = [1, 2]
    assert total(items) == 3
    assert begun.wait(30)
    items.append(1000)
    with pytest.warns(EvocacheWarning, match="changed after a call"):
        finish(go, total)
    assert total([1, 2]) == 3
    assert total(items) == 1003


def test_a_list_that_was_changed_before_a_stale_answer_is_computed_anew():
    clock, calls = Clock(), []
    busy = threading.Event()

    @cached(ttl=10, stale=100, clock=clock, **SETTINGS)
    def total(items: list[int]) -> int:
        calls.append(list(items))
        if clock.now and items[0] < 0:
            assert busy.wait(30)
        return sum(items)

    for items in ([1, 2], [-1], [-2]):
        total(items)
    clock.now = 11.0
    for number in (-1, -2):  # both threads that compute anew are kept busy
        total([number])
    items = [1, 2]
    assert total(items) == 3
    items.append(1000)
    with pytest.warns(EvocacheWarning, match="changed after a call"):
        finish(busy, total)
    assert [1, 2, 1000] not in calls
    assert total([1, 2]) == 3


def test_unchanged_arguments_are_computed_anew():
    clock, calls = Clock(), []

    @cached(ttl=10, stale=100, clock=clock, **SETTINGS)
    def total(items: list[int]) -> tuple[int, int]:
        calls.append(1)
        return sum(items), len(calls)

    assert total([1, 2]) == (3, 1)
    clock.now = 11.0
    assert total([1, 2]) == (3, 1)
    total.cache.close()
    assert total([1, 2]) == (3, 2)


def test_a_list_that_is_changed_while_a_coroutine_waits():
    async def run() -> tuple[int, int, int]:
        go = asyncio.Event()

        @cached(**SETTINGS)
        async def total(items: list[int]) -> int:
            await go.wait()
            return sum(items)

        items = [1, 2]
        task = asyncio.create_task(total(items))
        await asyncio.sleep(0)
        items.append(1000)
        go.set()
        return await task, await total([1, 2]), total.cache.stats.computed

    with pytest.warns(EvocacheWarning, match="changed while its answer was computed"):
        assert asyncio.run(run()) == (1003, 3, 2)


def test_a_list_that_is_changed_behind_a_stale_answer_of_a_coroutine():
    async def run() -> list[int]:
        clock = Clock()

        @cached(ttl=10, stale=100, clock=clock, **SETTINGS)
        async def total(items: list[int]) -> int:
            return sum(items)

        answers = [await total([1, 2])]
        clock.now = 11.0
        items = [1, 2]
        answers.append(await total(items))
        items.append(1000)
        await asyncio.sleep(0.01)
        return [*answers, await total([1, 2])]

    with pytest.warns(EvocacheWarning, match="changed after a call"):
        assert asyncio.run(run()) == [3, 3, 3]


def test_a_function_that_changes_its_own_argument_is_kept():
    @cached(**SETTINGS)
    def last(items: list[int]) -> int:
        return items.pop()

    assert (last([1, 2]), last([1, 2]), last.cache.stats.computed) == (2, 2, 1)


def test_a_list_that_is_changed_before_it_is_computed_ahead():
    clock, calls = Clock(), []

    @cached(owner="user", ttl=10, clock=clock, repeatable=True, speculate_share=1.0, **SETTINGS)
    def total(user: str, items: list[int]) -> int:
        calls.append(list(items))
        return sum(items)

    items = [1, 2]
    for _ in range(8):
        total("ada", items)
        clock.now += 1.0
    clock.now += 20.0
    total("ada", items)  # a miss, whose call is remembered
    clock.now += 20.0
    items.append(1000)
    ahead = total.cache._ahead
    ahead.step()  # notes that no request came since
    clock.now += 0.1
    with pytest.warns(EvocacheWarning, match="changed after a call"):
        ahead.step()
    assert [1, 2, 1000] not in calls
    assert total("ada", [1, 2]) == 3
