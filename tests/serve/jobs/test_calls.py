"""What is left of plain calls."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evocache.errors import JobError
from evocache.serve.jobs.calls import Call, Calls
from evocache.serve.jobs.record import new_id
from tests.serve.jobs.records import MINE


@pytest.fixture
def calls(database, runs):
    return Calls(database, runs)


def call(**values):
    tenant, owner = MINE
    return Call(**{"id": new_id("picture"), "tenant": tenant, "owner": owner, "created": 1000.0, **values})


def test_a_call_is_noted_as_it_comes_and_as_it_ends(calls):
    first, second = call(), call()
    calls.note([first, second])
    assert calls.get(first.id, *MINE) == first
    ended = replace(first, state="done", ended=1003.0)
    calls.note([ended, third := call(state="cancelled", ended=1001.0)])
    assert [calls.get(id, *MINE) for id in (first.id, second.id, third.id)] == [ended, second, third]
    calls.note([])


def test_what_is_over_stays_over(calls):
    ended = call(state="failed", ended=1002.0)
    calls.note([ended])
    calls.note([replace(ended, state="running", ended=None)])
    assert calls.get(ended.id, *MINE) == ended


def test_a_call_of_others_does_not_exist(calls):
    mine = call()
    calls.note([mine])
    for others in [("acme", "acme/key-2"), ("other", "acme/key-1")]:
        assert calls.get(mine.id, *others) is None
    assert calls.get("a\0b", *MINE) is None


def test_an_id_that_is_none_is_refused_with_all_others(calls):
    good = call()
    with pytest.raises(JobError, match="new_id"):
        calls.note([good, call(id="mine")])
    assert calls.get(good.id, *MINE) is None


def test_calls_of_a_server_that_died_were_interrupted(database, calls, make_runs, clock):
    """They are not run again: their clients are gone."""
    running, done = call(), call(state="done", ended=1001.0)
    calls.note([running, done])
    clock.now += 31.0
    other = make_runs()
    mine = call(created=1031.0)
    Calls(database, other).note([mine])
    assert other.recover().interrupted == 1
    assert calls.get(running.id, *MINE) == replace(running, state="interrupted", ended=1031.0)
    assert [calls.get(one.id, *MINE) for one in (done, mine)] == [done, mine]
    assert other.recover().interrupted == 0


def test_a_server_that_leaves_interrupts_its_calls(database, make_runs, calls, clock):
    leaving = make_runs()
    running = call()
    Calls(database, leaving).note([running])
    clock.now = 1007.0
    leaving.close()
    assert calls.get(running.id, *MINE) == replace(running, state="interrupted", ended=1007.0)


def test_old_calls_are_forgotten_but_for_running_ones(calls):
    times = [(998.0, "done"), (999.0, "running"), (999.0, "interrupted"), (1000.0, "done")]
    kept = [call(created=created, state=state) for created, state in times]
    calls.note(kept)
    assert calls.forget(1000.0) == 2
    assert [calls.get(one.id, *MINE) for one in kept] == [None, kept[1], None, kept[3]]
