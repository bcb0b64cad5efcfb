"""What is invalidated, cleared or put while an answer is computed is not undone by that answer."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from evocache import LearningCache
from evocache.usage.profile.speculation import Proposal


def cache(**settings):
    return LearningCache("1MB", **{"secret": b"s" * 32, "upkeep": False, **settings})


def while_computed(held, act, *, owner=None):
    """Do something while an answer is computed; return what the one who asked for it is given."""
    begun, go = threading.Event(), threading.Event()

    def slow():
        begun.set()
        assert go.wait(10)
        return "old"

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(held.get_or_compute, "q", slow, owner=owner)
        assert begun.wait(10)
        act()
        go.set()
        return asked.result(10)


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("act", ["invalidate", "clear", "clear owner"])
def test_an_answer_that_was_invalidated_while_it_was_computed_is_not_kept(tmp_path, act, on_disk):
    with cache(disk=tmp_path if on_disk else None) as held:
        acts = {
            "invalidate": lambda: held.invalidate("q"),
            "clear": held.clear,
            "clear owner": lambda: held.clear(owner="ada"),
        }
        assert while_computed(held, acts[act], owner="ada") == "old"
        held.flush()
        assert "q" not in held
        assert held.get_or_compute("q", lambda: "new") == "new"


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("act", ["invalidate", "del", "clear", "clear owner"])
@pytest.mark.parametrize("by", ["coroutine", "renewal", "renewal task", "ahead"])
def test_whoever_computes_it_keeps_nothing_that_was_invalidated_meanwhile(tmp_path, by, act, on_disk):
    now = [0.0]
    settings = {"speculate": lambda asked: Proposal("q", anew), "speculate_share": 1.0} if by == "ahead" else {"ttl": 1}
    held = cache(disk=tmp_path if on_disk else None, clock=lambda: now[0], stale=100, **settings)
    acts = {
        "invalidate": lambda: held.invalidate("q"),
        "del": lambda: held.pop("q", None) or held.invalidate("q"),
        "clear": held.clear,
        "clear owner": lambda: held.clear(owner="ada"),
    }

    def anew():
        acts[act]()
        return "old"

    if by == "coroutine":
        assert asyncio.run(held.aget_or_compute("q", anew, owner="ada")) == "old"
    elif by == "ahead":
        for _ in range(20):
            held.get_or_compute("p", lambda: 1, owner="ada")
        held._ahead.step()
        held._ahead.step()
        assert held.stats.proposals == 1
        assert held.stats.seconds_ahead_used == 0
    else:
        held.get_or_compute("q", lambda: "older", owner="ada")
        now[0] = 50.0
        if by == "renewal":
            assert held.get_or_compute("q", anew, owner="ada") == "older"
            held._answers._renewals.close()
        else:

            async def ask():
                assert await held.aget_or_compute("q", anew, owner="ada") == "older"
                await asyncio.gather(*held._answers._renewals._tasks)

            asyncio.run(ask())
    held.flush()
    assert "q" not in held
    assert held.get_or_compute("q", lambda: "new") == "new"
    held.close()


def test_an_owner_who_is_cleared_while_it_is_asked_what_to_compute_ahead_is_computed_for_in_vain():
    def propose(asked):
        held.clear(owner="ada")
        return Proposal("q", lambda: "old")

    held = cache(speculate=propose, speculate_share=1.0)
    for _ in range(20):
        held.get_or_compute("p", lambda: 1, owner="ada")
    held._ahead.step()
    held._ahead.step()
    assert held.stats.proposals == 0
    assert "q" not in held


def test_who_waits_for_it_still_gets_it():
    held = cache()

    def act():
        joined = pool.submit(held.get_or_compute, "q", lambda: "other")
        flight = held._answers.flights._flights["q"]
        while not flight.future._condition._waiters:
            time.sleep(0.001)
        held.invalidate("q")
        return joined

    with ThreadPoolExecutor(1) as pool:
        joined = []
        assert while_computed(held, lambda: joined.append(act())) == "old"
        assert joined[0].result(10) == "old"
    assert "q" not in held


def test_who_asks_afterwards_does_not_join_it():
    held = cache()

    def act():
        held.invalidate("q")
        assert held.get_or_compute("q", lambda: "new") == "new"

    assert while_computed(held, act) == "old"
    assert held["q"] == "new"


def test_what_was_put_meanwhile_stays():
    held = cache()
    assert while_computed(held, lambda: held.put("q", "put")) == "old"
    assert held["q"] == "put"


def test_other_owners_and_other_keys_are_kept():
    held = cache()
    while_computed(held, lambda: (held.clear(owner="bob"), held.invalidate("other")), owner="ada")
    assert held["q"] == "old"


def test_an_answer_that_is_old_from_the_beginning_takes_no_room():
    held = cache()
    assert held.get_or_compute("q", lambda: 1, ttl=0) == 1
    assert not held.put("p", 1, ttl=0)
    assert len(held) == 0
    assert held.stats.bytes == 0
