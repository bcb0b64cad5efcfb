"""Nobody waits for ever: answers that need each other, loops that stand still, renewals that cannot begin."""

from __future__ import annotations

import asyncio
import contextvars
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from evocache import LearningCache
from evocache.errors import EvocacheWarning, UsageError
from evocache.usage.cache.entry import Question
from evocache.usage.cache.single_flight import Flights


def cache(**settings):
    return LearningCache("1MB", **{"secret": b"s" * 32, "upkeep": False, **settings})


def in_daemons(*calls):
    """What calls answer that run at the same time; one that hangs fails the test, and keeps no process alive."""
    answers = {}

    def run(number, call):
        answers[number] = call()

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads), "somebody waits for ever"
    return [answers.get(number) for number in range(len(calls))]


@pytest.mark.parametrize("caches", [1, 2])
def test_two_threads_that_each_need_what_the_other_computes(caches):
    one = cache()
    other = cache() if caches == 2 else one
    both = threading.Barrier(2)

    def a():
        both.wait(10)
        return other.get_or_compute("b", lambda: "b beside") + " in a"

    def b():
        both.wait(10)
        return one.get_or_compute("a", lambda: "a beside") + " in b"

    answers = in_daemons(lambda: one.get_or_compute("a", a), lambda: other.get_or_compute("b", b))
    assert all(answer.endswith((" in a", " in b")) for answer in answers)
    assert sum("beside" in answer for answer in answers) >= 1
    assert len(one._answers.flights) == len(other._answers.flights) == 0


def test_a_circle_of_three_coroutines():
    held = cache()

    async def ask(name, needs, begun):
        async def compute():
            begun.append(1)
            while len(begun) < 3:
                await asyncio.sleep(0)
            return [name, *await held.aget_or_compute(needs, lambda: [f"{needs} beside"])]

        return await held.aget_or_compute(name, compute)

    async def run():
        begun = []
        asked = [ask(name, needs, begun) for name, needs in ("ab", "bc", "ca")]
        return await asyncio.wait_for(asyncio.gather(*asked), 20)

    assert {answer[0] for answer in asyncio.run(run())} == {"a", "b", "c"}
    assert len(held._answers.flights) == 0


def test_a_plain_function_does_not_wait_for_a_coroutine_of_the_loop_that_it_blocks():
    held = cache()

    async def run():
        begun = asyncio.Event()

        async def slow():
            begun.set()
            await asyncio.sleep(0.01)
            return "slow"

        task = asyncio.create_task(held.aget_or_compute("q", slow))
        await begun.wait()
        beside = held.get_or_compute("q", lambda: "beside")
        return beside, await task

    assert in_daemons(lambda: asyncio.run(run())) == [("beside", "slow")]


def test_nobody_waits_for_a_task_of_a_loop_that_was_closed():
    now = [0.0]
    held = cache(clock=lambda: now[0], ttl=1, stale=1)
    held.get_or_compute("q", lambda: 1)
    now[0] = 1.5
    loop = asyncio.new_event_loop()

    async def never():
        await asyncio.Event().wait()

    async def ask():
        answer = await held.aget_or_compute("q", never)
        await asyncio.sleep(0)
        return answer

    assert loop.run_until_complete(ask()) == 1
    tasks = asyncio.all_tasks(loop)
    loop.close()
    now[0] = 9.0
    assert in_daemons(lambda: held.get_or_compute("q", lambda: 2)) == [2]
    assert held["q"] == 2
    for task in tasks:
        task._log_destroy_pending = False


def test_what_is_computed_anew_may_ask_for_itself():
    now = [0.0]
    held = cache(clock=lambda: now[0], ttl=1, stale=10)
    held.get_or_compute("q", lambda: 1)
    now[0] = 5.0
    asked = []

    def anew():
        held.invalidate("q")
        asked.append(held.get_or_compute("q", lambda: 3))
        return 2

    assert held.get_or_compute("q", anew) == 1
    assert in_daemons(held.close) == [None]
    assert asked == [3]


def test_a_renewal_that_cannot_begin_hangs_nobody():
    now = [0.0]
    held = cache(clock=lambda: now[0], ttl=1, stale=1)
    held.get_or_compute("q", lambda: 1)
    held._answers._renewals._pool = pool = ThreadPoolExecutor(1)
    pool.shutdown()
    now[0] = 1.5
    assert held.get_or_compute("q", lambda: 2) == 1
    now[0] = 9.0
    assert in_daemons(lambda: held.get_or_compute("q", lambda: 2)) == [2]


def test_a_function_that_asks_itself_through_a_pool_of_threads_ends():
    """A job of a pool knows nothing of who waits for it: after the patience it computes for itself."""
    held, depth = cache(patience=0.2), []

    def compute():
        depth.append(1)
        if len(depth) > 1:
            return "inner"
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(held.get_or_compute, "q", compute).result(20) + " outer"

    with pytest.warns(EvocacheWarning, match=r"0\.2 s.*patience=.*copy_context"):
        assert held.get_or_compute("q", compute) == "inner outer"
    assert held.get_or_compute("q", lambda: "late") in ("inner", "inner outer")
    assert len(held._answers.flights) == 0


def test_a_job_that_is_given_the_context_waits_for_nothing():
    held = cache(patience=None)

    def compute():
        with ThreadPoolExecutor(1) as pool:
            ask = partial(held.get_or_compute, "q", lambda: "inner")
            return pool.submit(contextvars.copy_context().run, ask).result(20) + " outer"

    assert in_daemons(lambda: held.get_or_compute("q", compute)) == ["inner outer"]


def test_a_coroutine_that_asks_itself_through_an_executor_ends():
    held, depth = cache(patience=0.2), []

    async def compute():
        depth.append(1)
        if len(depth) > 1:
            return "inner"
        loop = asyncio.get_running_loop()
        ask = partial(held.aget_or_compute, "q", compute)
        return await loop.run_in_executor(None, lambda: asyncio.run(ask())) + " outer"

    with pytest.warns(EvocacheWarning, match="patience"):
        assert asyncio.run(held.aget_or_compute("q", compute)) == "inner outer"
    assert len(held._answers.flights) == 0


def test_of_many_who_waited_too_long_one_computes():
    flights, question = Flights(), Question("q", "q")
    first, leads = flights.join(question, blocks=True)
    assert leads
    for _ in range(3):
        assert flights.join(question, blocks=True) == (first, False)
    assert flights.wait(first, 0.0) == (False, None)
    assert first.overdue
    second, leads = flights.join(question, blocks=True)
    assert leads
    assert flights.wait(first, 0.0) == (False, None)
    assert flights.join(question, blocks=True) == (second, False)
    flights.leave(first)
    assert flights.join(question, blocks=True) == (second, False)


@pytest.mark.parametrize("patience", [-1, math.nan, "5"])
def test_a_patience_that_is_none_is_refused(patience):
    with pytest.raises(UsageError, match="patience"):
        cache(patience=patience)


def test_a_renewal_that_is_cancelled_before_it_began_hangs_nobody():
    now = [0.0]
    held = cache(clock=lambda: now[0], ttl=1, stale=1)
    held.get_or_compute("q", lambda: 1)

    async def run():
        now[0] = 1.5
        assert await held.aget_or_compute("q", lambda: 2) == 1
        for task in held._answers._renewals._tasks:
            task.cancel()
        await asyncio.sleep(0.01)
        now[0] = 9.0
        return await held.aget_or_compute("q", lambda: 3)

    assert in_daemons(lambda: asyncio.run(run())) == [3]
    assert len(held._answers.flights) == 0


class Pause:
    """Waits for whatever drives it."""

    def __await__(self):
        yield


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration])
def test_whatever_ends_a_leader_leaves_no_flight(error):
    held = cache()

    def end():
        raise error

    with pytest.raises(error):
        held.get_or_compute("q", end)
    coroutine = held.aget_or_compute("q", Pause)
    coroutine.send(None)
    assert len(held._answers.flights) == 1
    coroutine.close()
    assert len(held._answers.flights) == 0
    assert in_daemons(lambda: held.get_or_compute("q", lambda: 2)) == [2]
