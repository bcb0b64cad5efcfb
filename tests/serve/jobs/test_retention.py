"""When results leave, and who is refused, over SQLite and Postgres."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evocache.errors import JobError, QuotaError, StoreError
from evocache.serve.database.database import Database
from evocache.serve.jobs.calls import Call, Calls
from evocache.serve.jobs.files import ResultFiles
from evocache.serve.jobs.record import Failure, JobRecord, Result, new_id
from evocache.serve.jobs.retention import Retention, RoomLimits, free_bytes
from evocache.serve.jobs.store import JobStore
from tests.serve.jobs.records import MINE, record

MakeJob = Callable[..., JobRecord]


@pytest.fixture
def files(fast_folder: Path) -> ResultFiles:
    return ResultFiles(fast_folder / "results")


@pytest.fixture
def keeper(store, database, files):
    """`keeper(**room)`: the retention of the test, with a disk of any size."""

    def make(free: Callable[[Path], int] = lambda _: 10**15, calls: Calls | None = None, **room: Any) -> Retention:
        limits = RoomLimits(**{"bytes": None, "young": 0.0, "free_bytes": 0, **room})
        return Retention(store, database, files, calls, limits, free=free)

    return make


@pytest.fixture
def made(store, runs, files, clock) -> MakeJob:
    """`made(40)`: a job that is done, with a file of so many bytes; each ends a second after the last."""

    def make(size: int, **values: Any) -> JobRecord:
        job = record(**values)
        store.add(job)
        begun = runs.begin(job.id)
        clock.now += 1.0
        assert runs.finish(begun, Result((files.keep(begun, "video", "video/mp4", b"x" * size),)))
        return store.get(job.id, job.tenant, job.owner)

    return make


def there(store: JobStore, files: ResultFiles, jobs: list[JobRecord]) -> list[bool]:
    """Which jobs are there, with their files or without both."""
    rows = [store.get(job.id, job.tenant, job.owner) is not None for job in jobs]
    found = {path.name.partition(".")[0] for path in files.folder.rglob("*.mp4")}
    assert rows == [job.id in found for job in jobs]
    return rows


def test_the_result_that_ended_first_leaves_first(store, files, keeper, made):
    jobs = [made(40) for _ in range(3)]
    retention = keeper(bytes=160)
    new = record(bytes=30)
    retention.add(new)
    assert there(store, files, jobs) == [True, True, True]
    assert store.get(new.id, *MINE) == new
    retention.add(record(bytes=40))
    assert there(store, files, jobs) == [False, True, True], "30 of 160 are expected by the job before"


def test_so_many_leave_as_are_in_the_way(store, files, keeper, made):
    jobs = [made(10) for _ in range(6)]
    keeper(bytes=60).add(record(bytes=25))
    assert there(store, files, jobs) == [False, False, False, True, True, True]


def test_many_small_results_leave_for_a_large_one(store, files, keeper, made, monkeypatch):
    monkeypatch.setattr("evocache.serve.jobs.ended.BATCH", 2)
    jobs = [made(10) for _ in range(7)]
    keeper(bytes=70).add(record(bytes=55))
    assert there(store, files, jobs) == [False] * 6 + [True]


def test_who_does_not_fit_is_refused_and_nothing_is_deleted_for_it(store, runs, files, keeper, made):
    jobs = [made(40), made(40)]
    retention = keeper(bytes=100)
    running = record(bytes=15)
    retention.add(running)
    runs.begin(running.id)
    new = record(bytes=86)
    with pytest.raises(QuotaError, match=r"86 bytes, for which 81 are missing.*80 bytes"):
        retention.add(new)
    assert there(store, files, jobs) == [True, True]
    assert store.get(new.id, *MINE) is None
    retention.add(replace(new, bytes=85))
    assert there(store, files, jobs) == [False, False]
    assert store.get(running.id, *MINE).state == "running"


def test_pictures_that_were_given_count_as_long_as_they_are_kept(store, runs, files, keeper, clock):
    retention, given = keeper(bytes=400), "x" * 100
    done, failed, queued, crashed = [record(bytes=100) for _ in range(4)]
    for job in (done, failed, queued, crashed):
        retention.add(job, given)
    begun = runs.begin(done.id)
    assert runs.finish(begun, Result((files.keep(begun, "video", "video/mp4", b"x" * 40),)))
    assert runs.fail(runs.begin(failed.id), Failure("invalid_value", "a fault"))
    assert runs.fail(store.get(queued.id, *MINE), Failure("invalid_value", "a fault"))
    begun, runs.crashes = runs.begin(crashed.id), 1
    with runs._database.writing() as connection:
        runs._crash(connection, runs._mine(begun))
    clock.now += 1.0
    assert [store.get(job.id, *MINE).bytes for job in (done, failed, queued, crashed)] == [140, 100, 100, 100]
    with pytest.raises(QuotaError):
        retention.add(record(bytes=401))
    retention.add(record(bytes=400))
    assert [store.get(job.id, *MINE) for job in (done, failed, queued, crashed)] == [None] * 4
    assert store.pictures(failed.id) is None


def test_a_young_result_stays(store, files, keeper, made, clock):
    jobs = [made(40), made(40)]
    retention = keeper(bytes=100, young=10.0)
    clock.now += 8.9
    with pytest.raises(QuotaError):
        retention.add(record(bytes=60))
    clock.now += 0.1
    retention.add(record(bytes=60))
    assert there(store, files, jobs) == [False, True]


def test_a_tenant_has_a_room_of_its_own(store, files, keeper, made):
    others = [made(40, tenant="other", owner="other/1") for _ in range(2)]
    mine = [made(40) for _ in range(2)]
    retention = keeper(bytes=1000, tenant_bytes=100)
    retention.add(record(bytes=30))
    assert there(store, files, others) == [True, True]
    assert there(store, files, mine) == [False, True]
    with pytest.raises(QuotaError, match="tenant"):
        retention.add(record(bytes=101))


def test_no_more_leave_than_both_rooms_need(store, files, keeper, made):
    other = made(40, tenant="other", owner="other/1")
    mine = [made(40) for _ in range(2)]
    keeper(bytes=120, tenant_bytes=80).add(record(bytes=40))
    assert there(store, files, [other, *mine]) == [True, False, True]


def test_a_disk_that_others_fill_counts(store, files, keeper, made):
    jobs = [made(40) for _ in range(3)]

    def free(folder: Path) -> int:
        return 200 - sum(path.stat().st_size for path in folder.rglob("*.mp4"))

    retention = keeper(free=free, free_bytes=50)
    retention.add(record(bytes=30))
    assert there(store, files, jobs) == [True, True, True]
    retention.add(record(bytes=41))
    assert there(store, files, jobs) == [False, False, True]
    with pytest.raises(QuotaError):
        retention.add(record(bytes=150))
    assert free_bytes(files.folder) > 0


def test_old_jobs_leave_in_whatever_way_they_ended(store, runs, files, keeper, made, clock):
    done, failed, queued = made(10), record(), record()
    for job in (failed, queued):
        store.add(job)
    clock.now = 1050.0
    runs.fail(failed, Failure("pipeline", "it broke"))
    retention = keeper()
    assert done.expires == 1101.0
    clock.now = 1100.9
    assert retention.sweep().expired == 0
    clock.now = 1101.0
    assert retention.sweep().expired == 1
    assert there(store, files, [done]) == [False]
    clock.now = 1150.0
    assert retention.sweep().expired == 1
    clock.now = 10_000.0
    assert retention.sweep().expired == 0
    assert store.list(*MINE).records == (queued,)


def test_results_larger_than_expected_leave_with_the_next_sweep(store, files, keeper, made):
    jobs = [made(60) for _ in range(3)]
    swept = keeper(bytes=100).sweep()
    assert (swept.expired, swept.crowded) == (0, 2)
    assert there(store, files, jobs) == [False, False, True]


def test_calls_are_forgotten_at_the_same_age(database, runs, keeper, clock):
    calls = Calls(database, runs)
    tenant, owner = MINE
    ids = [new_id("picture") for _ in range(2)]
    created = zip(ids, (999.0, 1000.0), strict=True)
    calls.note(Call(id=id, tenant=tenant, owner=owner, created=at, state="done") for id, at in created)
    clock.now = 1100.0
    assert keeper(calls=calls).sweep().calls == 1
    assert [calls.get(id, *MINE) is None for id in ids] == [True, False]


def test_a_deleted_job_takes_its_files_along(store, files, keeper, made):
    jobs = [made(10), made(10)]
    retention = keeper()
    assert retention.delete(jobs[0].id, "acme", "acme/key-2") is None
    assert there(store, files, jobs) == [True, True]
    assert retention.delete(jobs[0].id, *MINE) == jobs[0]
    assert there(store, files, jobs) == [False, True]
    assert retention.delete(jobs[0].id, *MINE) is None


def test_a_prompt_leaves_the_files_with_its_row(fast_folder, clock):
    with Database(f"sqlite:///{fast_folder / 'server.db'}") as database:
        store = JobStore(database, clock=clock)
        retention = Retention(store, database, ResultFiles(fast_folder / "results"), scrub=600.0)
        jobs = [record(request=f'{{"prompt": "secret {n:03}"}}') for n in range(100)]
        for job in jobs:
            retention.add(job)
        retention.sweep()
        for at, number in ((1000.0, 17), (1599.0, 18)):
            retention.delete(jobs[number].id, *MINE)
            clock.now = at
            retention.sweep()
            assert f"secret {number:03}".encode() in held(fast_folder), "the file is written anew every ten minutes"
        clock.now = 1600.0
        retention.sweep()
        assert not any(f"secret {number:03}".encode() in held(fast_folder) for number in (17, 18))
        assert b"secret 019" in held(fast_folder)


def held(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("server.db*")))


def test_a_sweep_goes_on_when_files_cannot_be_written_anew(store, keeper, made, database, monkeypatch):
    job, times = made(10), []

    def busy() -> None:
        times.append(1)
        raise StoreError("a database", "one that is not locked", "wait")

    monkeypatch.setattr(database, "scrub", busy)
    retention = keeper()
    retention.delete(job.id, *MINE)
    retention.sweep()
    retention.sweep()
    assert len(times) == 2, "it is tried again"


def test_files_that_no_row_names_are_swept(files, keeper, made, store):
    jobs = [made(10) for _ in range(3)]
    store.delete(jobs[1].id, *MINE)
    retention = keeper()
    assert retention.sweep_files(time.time() - 3600.0) == 0
    assert retention.sweep_files(time.time() + 3600.0) == 1
    assert there(store, files, jobs) == [True, False, True]


def test_the_room_holds_however_many_come_at_once(store, keeper):
    retention = keeper(bytes=100)
    refused: list[QuotaError] = []

    def work() -> None:
        for _ in range(5):
            try:
                retention.add(record(bytes=10))
            except QuotaError as error:
                refused.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(store.waiting()), len(refused)) == (10, 20)


@pytest.mark.parametrize("values", [{"bytes": 0}, {"tenant_bytes": 0}, {"free_bytes": -1}, {"young": -1.0}])
def test_a_limit_that_is_none_is_refused(values):
    with pytest.raises(JobError, match="of room for results"):
        RoomLimits(**values)


def test_room_is_summed_without_reading_requests(fast_folder):
    """From an index alone, however much is asked for in the rows."""
    with Database(f"sqlite:///{fast_folder / 'server.db'}") as database, database.reading() as connection:
        for condition in ("", " WHERE tenant = 'acme'"):
            sums = "sum(CASE WHEN state = 'queued' THEN bytes END), max(ended)"
            asked = f"EXPLAIN QUERY PLAN SELECT {sums} FROM jobs{condition}"
            plan = " ".join(row[3] for row in connection.exec_driver_sql(asked))
            assert "USING COVERING INDEX jobs_room" in plan
