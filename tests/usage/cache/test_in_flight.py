"""Equal questions in flight are computed once, by threads and coroutines alike, and nobody hangs."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from evocache import LearningCache


def cache(**settings):
    return LearningCache("1MB", **{"secret": b"s" * 32, "upkeep": False, **settings})


def all_of(count, ask):
    """What threads that begin together are answered."""
    with ThreadPoolExecutor(count) as pool:
        return [future.result(20) for future in [pool.submit(ask) for _ in range(count)]]


def test_threads_join_one_that_computes():
    held, asked = cache(), []

    def slow():
        asked.append(1)
        time.sleep(0.1)
        return ["answer"]

    answers = all_of(8, lambda: held.get_or_compute("q", slow))
    assert answers == [["answer"]] * 8
    assert len({id(answer) for answer in answers}) == 8  # each has its own
    assert asked == [1]
    assert held.stats.joined + held.stats.hits == 7
    assert held.stats.requests == 8


def test_those_who_waited_for_one_that_raised_try_for_themselves():
    held, asked, lock = cache(), [], threading.Lock()

    def first_fails():
        with lock:
            asked.append(1)
            number = len(asked)
        time.sleep(0.05)
        if number == 1:
            raise ValueError("the first")
        return number

    def ask():
        try:
            return held.get_or_compute("q", first_fails)
        except ValueError:
            return "raised"

    answers = all_of(6, ask)
    assert answers.count("raised") == 1
    assert len(asked) == 2
    assert set(answers) == {"raised", 2}


def test_where_all_raise_nobody_waits_for_all_of_the_others():
    held, asked = cache(), []

    def fail():
        asked.append(1)
        time.sleep(0.02)
        raise ValueError

    def ask():
        with pytest.raises(ValueError):  # noqa: PT011
            held.get_or_compute("q", fail)

    all_of(10, ask)
    assert len(asked) == 10
    assert len(held._answers.flights) == 0


def test_an_answer_may_need_another_and_even_itself():
    held = cache()

    def fibonacci(n):
        return held.get_or_compute(("fibonacci", n), lambda: n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2))

    assert fibonacci(25) == 75025
    depth = []

    def itself():
        depth.append(1)
        return held.get_or_compute("itself", itself) if len(depth) < 3 else "end"

    assert held.get_or_compute("itself", itself) == "end"


def test_coroutines_join():
    held, asked = cache(), []

    async def slow():
        asked.append(1)
        await asyncio.sleep(0.05)
        return len(asked)

    async def run():
        return await asyncio.gather(*[held.aget_or_compute("q", slow) for _ in range(10)])

    assert asyncio.run(run()) == [1] * 10


def test_a_coroutine_that_is_cancelled_while_it_computes_hangs_nobody():
    held, asked = cache(), []

    async def first_never_ends():
        asked.append(1)
        if len(asked) == 1:
            await asyncio.Event().wait()
        return len(asked)

    async def run():
        leader = asyncio.create_task(held.aget_or_compute("q", first_never_ends))
        while not asked:
            await asyncio.sleep(0)
        others = [asyncio.create_task(held.aget_or_compute("q", first_never_ends)) for _ in range(5)]
        await asyncio.sleep(0.01)
        others.pop().cancel()
        leader.cancel()
        return await asyncio.wait_for(asyncio.gather(*others), 30)

    assert asyncio.run(run()) == [2] * 4
    assert len(asked) == 2
    assert len(held._answers.flights) == 0


def test_a_coroutine_joins_a_thread():
    held, begun, go = cache(), threading.Event(), threading.Event()

    def slow():
        begun.set()
        assert go.wait(10)
        return "of the thread"

    async def run():
        task = asyncio.create_task(held.aget_or_compute("q", lambda: "of the coroutine"))
        await asyncio.sleep(0.05)
        go.set()
        return await task

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(held.get_or_compute, "q", slow)
        assert begun.wait(10)
        assert asyncio.run(run()) == "of the thread"
        assert future.result(10) == "of the thread"


def test_a_plain_function_serves_a_coroutine():
    held = cache()
    assert asyncio.run(held.aget_or_compute("q", lambda: 5)) == 5
    assert asyncio.run(held.aget_or_compute("q", lambda: 6)) == 5


def test_a_stale_answer_is_computed_anew_by_a_task():
    now = [0.0]
    held, asked = cache(clock=lambda: now[0], ttl=1, stale=100), []

    async def slow():
        asked.append(1)
        await asyncio.sleep(0.02)
        return len(asked)

    async def run():
        first = await held.aget_or_compute("q", slow)
        now[0] = 5.0
        stale = await held.aget_or_compute("q", slow)
        for _ in range(200):
            await asyncio.sleep(0.01)
            if await held.aget_or_compute("q", slow) == 2:
                break
        return first, stale, await held.aget_or_compute("q", slow)

    assert asyncio.run(run()) == (1, 1, 2)
    assert len(asked) == 2
    stats = held.stats
    assert stats.requests == stats.hits + 1  # nobody asked for what was computed anew
