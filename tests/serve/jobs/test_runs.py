"""Jobs as a server runs them, in SQLite and in Postgres: who may change what."""

from __future__ import annotations

import threading
from dataclasses import replace

from evocache.serve.jobs.record import Failure, Point
from evocache.serve.jobs.runs import JobRuns
from tests.serve.jobs.records import MINE, added, result

BROKEN = Failure("pipeline", "it broke: 여우")


def test_a_job_runs_from_the_queue_to_its_result(store, runs, clock):
    job = added(store, bytes=500)
    clock.now = 1001.0
    begun = runs.begin(job.id)
    assert begun == replace(job, state="running", attempts=1, started=1001.0)
    assert runs.progress(begun, 40)
    assert store.get(job.id, *MINE) == replace(begun, progress=40)
    clock.now = 1005.0
    assert runs.finish(begun, result(begun, 33))
    ended = {"state": "done", "progress": 100, "ended": 1005.0, "expires": 1105.0, "bytes": 33}
    assert store.get(job.id, *MINE) == replace(begun, result=result(begun, 33), **ended)


def test_progress_never_goes_back(store, runs):
    begun = runs.begin(added(store).id)
    for told, kept in [(10, 10), (5, 10), (99, 99), (10, 99)]:
        assert runs.progress(begun, told)
        assert store.get(begun.id, *MINE).progress == kept


def test_a_job_that_failed_says_why(store, runs, clock):
    begun = runs.begin(added(store, bytes=500).id)
    clock.now = 1002.0
    assert runs.fail(begun, BROKEN)
    ended = {"state": "failed", "ended": 1002.0, "expires": 1102.0, "bytes": 0}
    assert store.get(begun.id, *MINE) == replace(begun, error=BROKEN, **ended)


def test_a_queued_job_can_fail(store, runs):
    job = added(store)
    assert runs.fail(job, BROKEN)
    assert store.get(job.id, *MINE).state == "failed"
    assert runs.begin(job.id) is None


def test_only_a_running_job_ends_well_or_goes_back(store, runs):
    job = added(store)
    assert not runs.finish(job, result(job))
    assert not runs.progress(job, 5)
    assert not runs.release(job)
    assert runs.choose(job, Point(1, "a")) is None
    assert store.get(job.id, *MINE) == job


def test_one_server_alone_begins_a_job(store, make_runs):
    """Eight threads of four servers want each of twenty jobs."""
    jobs = [added(store) for _ in range(20)]
    servers = [make_runs() for _ in range(4)]
    begun: list[tuple[str, str]] = []
    gate = threading.Barrier(8)

    def work(runs: JobRuns) -> None:
        gate.wait()
        for job in jobs:
            if runs.begin(job.id) is not None:
                begun.append((job.id, runs.server))

    threads = [threading.Thread(target=work, args=(servers[n % 4],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(id for id, _ in begun) == sorted(job.id for job in jobs)
    for server in servers:
        assert server.heartbeat() == {id for id, name in begun if name == server.server}


def test_a_job_of_another_server_is_not_touched(store, make_runs):
    mine, other = make_runs(), make_runs()
    begun = mine.begin(added(store).id)
    assert not other.progress(begun, 50)
    assert not other.finish(begun, result(begun))
    assert not other.fail(begun, BROKEN)
    assert not other.release(begun)
    assert other.choose(begun, Point(1, "a")) is None
    assert store.get(begun.id, *MINE) == begun
    assert mine.finish(begun, result(begun))


def test_a_result_is_given_once(store, runs):
    begun = runs.begin(added(store).id)
    assert runs.finish(begun, result(begun, 1))
    assert not runs.finish(begun, result(begun, 2))
    assert not runs.fail(begun, BROKEN)
    assert store.get(begun.id, *MINE).result == result(begun, 1)


def test_what_is_deleted_is_told_to_its_server(store, runs):
    first, second = (runs.begin(added(store).id) for _ in range(2))
    assert runs.heartbeat() == {first.id, second.id}
    store.delete(first.id, *MINE)
    assert not runs.progress(first, 50)
    assert not runs.finish(first, result(first))
    assert runs.heartbeat() == {second.id}
    assert store.get(first.id, *MINE) is None


def test_the_first_point_stays(store, runs):
    begun = runs.begin(added(store).id)
    assert runs.choose(begun, Point(3, "front4")) == Point(3, "front4")
    assert runs.choose(begun, Point(1, "front2")) == Point(3, "front4")
    assert runs.choose(begun, Point(None, "uncached"), number=2) == Point(None, "uncached")
    assert runs.release(begun)
    again = runs.begin(begun.id)
    assert again.points == {0: Point(3, "front4"), 2: Point(None, "uncached")}
    assert runs.choose(again, Point(0, "front1")) == Point(3, "front4")


def test_a_stopped_job_goes_back_and_counts_no_crash(store, runs):
    job = added(store)
    for attempt in range(1, 6):
        begun = runs.begin(job.id)
        assert (begun.attempts, begun.crashes) == (attempt, 0)
        assert runs.progress(begun, 60)
        assert runs.release(begun)
        assert not runs.finish(begun, result(begun)), "it went back"
    assert store.get(job.id, *MINE).progress == 0


def test_an_earlier_attempt_changes_nothing(store, runs):
    """A worker that was given up and comes back late."""
    late = runs.begin(added(store).id)
    assert runs.release(late)
    begun = runs.begin(late.id)
    assert not runs.finish(late, result(late))
    assert not runs.progress(late, 99)
    assert runs.finish(begun, result(begun))
    assert store.get(late.id, *MINE).result == result(begun)
