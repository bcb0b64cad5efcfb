"""Equal questions in flight are computed once, by threads and coroutines alike, and nobody hangs."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from evocache import LearningCache
from evocache.errors import EvocacheWarning


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


def test_who_waits_for_cancelled_ones_follows_one_at_a_time():
    held, computing, most, began = cache(), [], [], []

    async def work():
        computing.append(asyncio.current_task())
        began.append(1)
        most.append(len(computing))
        try:
            if len(began) <= 5:
                await asyncio.sleep(60)
            return "answer"
        finally:
            computing.remove(asyncio.current_task())

    async def ask():
        tasks = [asyncio.create_task(held.aget_or_compute("q", work)) for _ in range(30)]
        for _ in range(5):
            while not computing:
                await asyncio.sleep(0)
            for task in list(computing):
                task.cancel()
                await asyncio.wait([task])
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(ask())
    assert answers.count("answer") == 25
    assert len(began) == 6
    assert max(most) == 1


def test_who_waits_for_failed_ones_follows_one_at_a_time():
    held, computing, most = cache(), [], []

    async def fail():
        computing.append(1)
        most.append(len(computing))
        await asyncio.sleep(0.001)
        computing.pop()
        raise OSError

    async def ask():
        return await asyncio.gather(*(held.aget_or_compute("q", fail) for _ in range(20)), return_exceptions=True)

    assert [type(answer) for answer in asyncio.run(ask())] == [OSError] * 20
    assert (len(most), max(most)) == (20, 1)


def test_nobody_waits_for_failed_ones_for_longer_than_the_patience():
    now = [0.0]
    held, computing, most = cache(clock=lambda: now[0], patience=10), [], []

    async def fail():
        computing.append(1)
        most.append(len(computing))
        await asyncio.sleep(0.001)
        now[0] += 6
        computing.pop()
        raise OSError

    async def ask():
        await asyncio.gather(*(held.aget_or_compute("q", fail) for _ in range(20)), return_exceptions=True)

    asyncio.run(ask())
    assert most[:2] == [1, 1]
    assert max(most) == 18


def test_who_waits_for_late_ones_follows_one_at_a_time():
    held, go, began = cache(patience=0.2), threading.Event(), []

    def work():
        began.append(1)
        if len(began) == 3:
            go.set()
        go.wait(20)
        return "answer"

    with pytest.warns(EvocacheWarning, match="without an end"):
        assert all_of(20, lambda: held.get_or_compute("q", work)) == ["answer"] * 20
    assert 3 <= len(began) < 12


def test_who_waits_for_what_cannot_be_copied_computes_at_once():
    held, together = cache(), threading.Barrier(5, timeout=20)
    first, joined, join = threading.Event(), [], held._answers.flights.join
    held._answers.flights.join = lambda *args, **settings: (join(*args, **settings), joined.append(1))[0]

    def work():
        if not first.is_set():
            first.set()
            while len(joined) < 6:
                time.sleep(0.001)
        else:
            together.wait()  # all of them, at once
        return threading.Lock()

    with pytest.warns(EvocacheWarning, match="not kept"):
        assert len({id(lock) for lock in all_of(6, lambda: held.get_or_compute("q", work))}) == 6
