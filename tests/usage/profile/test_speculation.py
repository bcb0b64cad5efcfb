"""Speculation by a clock and steps of the test's own: when it computes, when it stops, what it counts."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest

from evocache.errors import EvocacheWarning
from evocache.usage.profile.speculation import Asked, Proposal, Speculation


class Time:
    """A clock, and the thread's time, which goes by only while something is computed."""

    def __init__(self) -> None:
        self.now = self.worked = 0.0

    def work(self, seconds: float) -> None:
        self.now += seconds
        self.worked += seconds


class Shelf:
    """Holds answers; every question's name is itself."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.kept: dict[object, object] = {}
        self.number = 0
        self.computing = False
        self.room = True

    def name(self, key):
        return key

    def holds(self, name):
        return name in self.kept

    def requests(self):
        return self.number

    def busy(self):
        return self.computing

    def owner_id(self, owner):
        return owner

    @contextmanager
    def ahead(self, key, owner):
        yield lambda value, seconds: self.keep(key, owner, value, seconds)

    def keep(self, key, owner, value, seconds):
        if self.room:
            self.kept[key] = value, owner, seconds
        return self.room


class Bench:
    """A speculation over a shelf, whose owners ask."""

    def __init__(self, propose=None, **settings) -> None:
        self.time, self.shelf = Time(), Shelf()
        clocks = {"clock": lambda: self.time.now, "thread_time": lambda: self.time.worked}
        self.it = Speculation(self.shelf, propose, **clocks, **settings)

    def ask(self, owner: int, key: str, times: int = 1, compute=None) -> None:
        for _ in range(times):
            self.shelf.number += 1
            with self.shelf.lock:
                self.it.asked(key, key, owner, compute)

    def idle(self) -> bool:
        """Two steps, the first of which sees that requests came."""
        self.it.step()
        return self.it.step()


def another(bench_time, seconds=1.0):
    """Propose another picture of the last question, which takes a second."""

    def propose(asked: Asked) -> Proposal:
        def compute():
            bench_time().work(seconds)
            return f"another of {asked.key} for {asked.owner}"

        return Proposal(f"{asked.key}, next", compute)

    return propose


def bench_of_another(**settings) -> Bench:
    bench: Bench = Bench(another(lambda: bench.time), **settings)
    return bench


def test_an_owner_with_a_habit_is_computed_for_and_the_use_is_counted():
    bench = bench_of_another()
    bench.ask(1, "cat", 20)
    assert bench.idle()
    assert bench.shelf.kept == {"cat, next": ("another of cat for 1", 1, 1.0)}
    assert (bench.it.spent.proposals, bench.it.spent.used, bench.it.spent.seconds) == (1, 0, 1.0)
    bench.ask(1, "cat, next")
    assert (bench.it.spent.used, bench.it.spent.seconds_used, bench.it.spent.seconds_wasted) == (1, 1.0, 0.0)


def test_an_owner_without_a_habit_is_not():
    bench = bench_of_another()
    for number in range(40):
        bench.ask(1, f"question {number}")
    assert not bench.idle()
    assert bench.it.spent.proposals == 0


def test_the_most_probable_owner_comes_first_and_each_once_a_request():
    bench = bench_of_another(share=1.0)
    for number in range(30):
        bench.ask(1, "always")
        bench.ask(2, f"half {number // 2}")
    assert bench.idle()
    assert list(bench.shelf.kept) == ["always, next"]
    bench.it.step()
    bench.it.step()
    assert list(bench.shelf.kept) == ["always, next", "half 14, next"]
    assert bench.it.spent.proposals == 2


def test_nothing_begins_while_requests_come_or_are_computed():
    bench = bench_of_another()
    bench.ask(1, "cat", 20)
    bench.it.step()
    bench.ask(1, "cat")
    assert not bench.it.step()
    bench.shelf.computing = True
    assert not bench.it.step()
    bench.shelf.computing = False
    assert bench.it.step()


def test_the_time_spent_is_a_part_of_the_time_that_goes_by():
    bench = bench_of_another(share=0.2)
    for round_ in range(4000):
        bench.ask(1, "cat")
        bench.shelf.kept.clear()
        bench.it.step()
        bench.it.step()
        bench.time.now += 0.1
        assert bench.time.worked <= 0.2 * bench.time.now + 1.0, round_
    assert bench.time.worked > 0.18 * bench.time.now


def test_a_request_stops_a_generator_at_its_next_yield():
    closed = []

    def propose(asked: Asked) -> Proposal:
        def compute():
            try:
                for step in range(10):
                    bench.time.work(0.5)
                    if step == 2:
                        bench.ask(9, "somebody else's")
                    yield
            finally:
                closed.append(bench.time.worked)

        return Proposal("next", compute)

    bench = Bench(propose)
    bench.ask(1, "cat", 20)
    assert not bench.idle()
    assert closed == [1.5]
    assert (bench.shelf.kept, bench.it.spent.seconds_wasted) == ({}, 1.5)


def test_a_generator_that_is_left_alone_returns_its_answer():
    def compute():
        yield
        yield
        return "done"

    bench = Bench(lambda asked: Proposal("next", compute))
    bench.ask(1, "cat", 20)
    assert bench.idle()
    assert bench.shelf.kept["next"][0] == "done"


@pytest.mark.parametrize("where", ["propose", "compute", "keep"])
def test_what_raises_is_warned_of_and_reaches_nobody(where):
    def fail(*_):
        bench.time.work(2.0)
        raise ZeroDivisionError("a user's mistake")

    bench = Bench(fail if where == "propose" else lambda asked: Proposal("next", fail if where == "compute" else str))
    if where == "keep":
        bench.shelf.keep = fail
    bench.ask(1, "cat", 20)
    with pytest.warns(EvocacheWarning, match="a user's mistake"):
        assert not bench.idle()
    assert bench.it.spent.seconds_wasted == (0.0 if where == "propose" else 2.0)
    assert not bench.it.step()  # its time counts as well
    bench.time.now += 8.0
    bench.ask(1, "cat")
    bench.it.step()
    assert bench.it._not_before == 10.0


def test_what_leaves_before_it_is_asked_for_is_wasted():
    bench = bench_of_another(share=1.0)
    bench.ask(1, "cat", 20)
    assert bench.idle()
    bench.shelf.kept.clear()
    bench.it.step()
    assert bench.it.spent.seconds_wasted == 1.0
    bench.ask(1, "cat, next")
    assert bench.it.spent.used == 0


def test_what_finds_no_room_is_wasted():
    bench = bench_of_another()
    bench.shelf.room = False
    bench.ask(1, "cat", 20)
    assert not bench.idle()
    assert bench.it.spent.seconds_wasted == 1.0


def test_without_proposals_the_last_question_is_computed_anew_only_where_it_is_gone():
    bench = Bench(share=1.0)
    bench.shelf.kept["cat"] = "held"
    bench.ask(1, "cat", 20, compute=lambda: "computed")
    assert not bench.idle()
    assert bench.it.spent.proposals == 0
    del bench.shelf.kept["cat"]  # it expired
    assert bench.it.step()
    assert bench.shelf.kept["cat"][0] == "computed"
    del bench.shelf.kept["cat"]
    assert not bench.it.step()  # once a request


def test_an_owner_is_forgotten_and_tables_are_bounded():
    bench = bench_of_another()
    bench.ask(1, "cat", 20)
    bench.it.forget(1)
    assert not bench.idle()
    assert len(bench.it.habits) == 0
    for owner in range(1, 3000):
        bench.ask(owner, "cat", 2)
    assert len(bench.it._last) == len(bench.it.habits) == 1000
    bench.it.forget(0)
    assert len(bench.it._last) == len(bench.it.habits) == 0


def test_requests_of_nobody_are_no_habit():
    bench = bench_of_another()
    bench.ask(None, "cat", 20)
    assert not bench.idle()
