"""Jobs of servers that die, fall silent or leave, in SQLite and in Postgres: others run them, once."""

from __future__ import annotations

import threading

import pytest

from evocache.serve.database.database import Database
from evocache.serve.jobs.record import Failure, JobRecord, Point
from evocache.serve.jobs.runs import JobRuns
from tests.serve.jobs.records import MINE, Clock, added, record, result


def die_with(server: JobRuns, job: JobRecord, clock: Clock) -> None:
    """Have a server begin a job, compute some of it, and be silent from then on."""
    begun = server.begin(job.id)
    assert begun is not None
    server.choose(begun, Point(3, "front4"))
    clock.now += 31.0


def test_a_job_that_kills_its_server_twice_fails(store, make_runs, clock):
    job, (first, second, other) = added(store, bytes=500), (make_runs() for _ in range(3))
    die_with(first, job, clock)
    assert other.recover().queued == (job.id,)
    assert store.get(job.id, *MINE).crashes == 1
    die_with(second, job, clock)
    clock.now = 1109.0
    assert other.recover().failed == (job.id,)
    found = store.get(job.id, *MINE)
    assert (found.state, found.ended, found.expires, found.bytes) == ("failed", 1109.0, 1209.0, 0)
    assert found.error == Failure("crashed", "the server that made it died twice")


def test_jobs_of_a_silent_server_run_again_once(store, make_runs, clock):
    silent, other = make_runs(), make_runs()
    job, queued = added(store), added(store)
    begun = silent.begin(job.id)
    silent.choose(begun, Point(3, "front4"))
    clock.now += 29.0
    other.heartbeat()
    assert other.recover().queued == ()
    clock.now += 1.0
    assert other.recover().queued == (job.id,)
    found = store.get(job.id, *MINE)
    assert (found.state, found.attempts, found.crashes, found.seed) == ("queued", 1, 1, 7)
    assert found.points == {0: Point(3, "front4")}
    assert store.get(queued.id, *MINE) == queued
    assert not silent.finish(begun, result(begun)), "it was given to others"
    assert silent.heartbeat() == frozenset()
    assert silent.begin(job.id).attempts == 2
    clock.now += 60.0
    recovered = other.recover()
    assert (recovered.queued, recovered.failed) == ((), (job.id,))
    assert store.get(job.id, *MINE).error == Failure("crashed", "the server that made it died twice")


def test_a_server_that_is_heard_keeps_its_jobs(store, make_runs, clock):
    mine, other = make_runs(), make_runs()
    begun = mine.begin(added(store).id)
    for _ in range(5):
        clock.now += 20.0
        assert mine.heartbeat() == {begun.id}
        assert other.recover().queued == ()
    assert mine.finish(begun, result(begun))


def test_a_server_does_not_take_its_own_jobs(store, runs, clock):
    begun = runs.begin(added(store).id)
    clock.now += 1000.0
    assert runs.recover().queued == ()
    assert runs.finish(begun, result(begun))


def test_a_server_that_was_taken_for_dead_and_begins_a_job_lives(store, make_runs, clock):
    """It was silent, and others forgot it; neither they nor it itself takes away what it begins then."""
    mine, other = make_runs(), make_runs()
    clock.now += 31.0
    other.heartbeat()
    other.recover()
    begun = mine.begin(added(store).id)
    assert mine.recover().queued == other.recover().queued == ()
    assert mine.finish(begun, result(begun))


def test_a_server_gives_back_what_it_does_not_run(store, make_runs):
    runs, other = make_runs(), make_runs()
    first, second, theirs, queued = (record(seed=seed) for seed in range(4))
    for job in (first, second, theirs, queued):
        store.add(job)
    for job in (first, second):
        runs.begin(job.id)
    other.begin(theirs.id)
    runs.give_back({first.id, theirs.id, queued.id})
    states = [store.find(job.id).state for job in (first, second, theirs, queued)]
    assert states == ["queued", "running", "running", "queued"]


def test_a_server_that_leaves_puts_its_jobs_back(store, make_runs):
    leaving, other = make_runs(), make_runs()
    job = added(store)
    leaving.begin(job.id)
    leaving.close()
    assert other.recover().queued == ()
    again = other.begin(job.id)
    assert (again.attempts, again.crashes) == (2, 0)


def test_the_first_server_on_a_file_need_not_wait_for_a_lease(fast_folder, clock):
    """The one before it was killed: it holds its lock no longer, though its lease is not over."""
    from evocache.serve.jobs.store import JobStore

    with Database(f"sqlite:///{fast_folder / 'server.db'}") as database:
        store = JobStore(database, clock=clock)
        job = added(store)
        killed = JobRuns(store, database)
        killed.begin(job.id)
        second = JobRuns(store, database)
        assert second.recover().queued == (), "the first one lives"
        second.close()
        killed._presence.close()
        third = JobRuns(store, database)
        assert third.recover().queued == (job.id,)
        third.close()


def test_many_servers_take_back_a_job_once(store, make_runs, clock):
    silent = make_runs()
    jobs = [silent.begin(added(store).id).id for _ in range(10)]
    clock.now += 31.0
    servers = [make_runs() for _ in range(4)]
    found: list[str] = []

    def work(runs: JobRuns) -> None:
        found.extend(runs.recover().queued)

    threads = [threading.Thread(target=work, args=(runs,)) for runs in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(jobs)
    assert {store.find(job.id).crashes for job in store.waiting()} == {0}, "nothing of them was computed"


def test_a_job_that_only_waited_in_servers_that_died_does_not_fail(store, make_runs, clock):
    job, servers = added(store), [make_runs() for _ in range(5)]
    for server in servers[:4]:
        assert server.begin(job.id)
        clock.now += 31.0
        assert servers[4].recover().queued == (job.id,)
    assert (store.get(job.id, *MINE).attempts, store.get(job.id, *MINE).crashes) == (4, 0)


@pytest.mark.parametrize(("crashes", "text"), [(1, ""), (3, " 3 times")])
def test_how_often_a_job_may_kill_is_a_choice(store, database, make_runs, clock, crashes, text):
    runs = JobRuns(store, database, crashes=crashes)
    job = added(store)
    for _ in range(crashes):
        assert store.get(job.id, *MINE).open
        die_with(make_runs(), job, clock)
        runs.recover()
    assert store.get(job.id, *MINE).error == Failure("crashed", f"the server that made it died{text}")
    runs.close()
