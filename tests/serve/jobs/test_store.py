"""Jobs as their owners see them, in SQLite and in Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import sqlalchemy as sa

from evocache.errors import JobError
from evocache.serve.database.database import Database
from evocache.serve.jobs.ended import EndedJobs
from evocache.serve.jobs.record import Failure, JobRecord, Point, is_id, new_id
from evocache.serve.jobs.runs import JobRuns
from evocache.serve.jobs.store import JobStore
from tests.serve.jobs.records import MINE, record, result

FOREIGN = [("acme", "acme/key-2"), ("other", "acme/key-1"), ("other", "other/key-1")]


def test_ids_are_of_128_random_bits():
    ids = {new_id("video") for _ in range(1000)}
    assert len(ids) == 1000
    assert all(is_id(id) and len(bytes.fromhex(id.removeprefix("video_"))) == 16 for id in ids)
    bits = [sum(int(id[6:], 16) >> bit & 1 for id in ids) for bit in range(128)]
    assert all(350 < ones < 650 for ones in bits)
    for none in (
        "",
        "video_",
        "video_" + "0" * 31,
        "video_" + "0" * 33,
        "film_" + "0" * 32,
        "video_" + "0" * 32 + "\n",
    ):
        assert not is_id(none)


def test_a_job_that_was_added_is_read_as_it_was(store):
    plain = record()
    full = record(kind="picture", user="여우 🦊", request='{"prompt": "\\u0000"}', seed=2**63 - 1, bytes=2**40)
    full = replace(full, created=1000.123456789, remixed_from=plain.id)
    for job in (plain, full):
        store.add(job)
        assert store.get(job.id, *MINE) == job


def test_a_job_outlives_the_store(database_url):
    job = record()
    with Database(database_url) as database:
        JobStore(database).add(job)
    with Database(database_url) as database:
        assert JobStore(database).get(job.id, *MINE) == job


@pytest.mark.parametrize("state", ["running", "done", "failed", "cancelled"])
def test_a_job_begins_in_the_queue(store, state):
    with pytest.raises(JobError, match="queued"):
        store.add(record(state=state))


def test_an_id_is_of_one_job(store):
    job = record()
    store.add(job)
    with pytest.raises(JobError, match="new_id"):
        store.add(replace(record(), id=job.id, owner="acme/key-2"))
    assert store.get(job.id, *MINE) == job


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"id": "video_1"}, "id"),
        ({"id": "../../etc/passwd"}, "id"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"user": "a\0b"}, "user"),
        ({"request": "\ud800"}, "request"),
    ],
)
def test_what_no_job_can_have_is_refused(values, told):
    with pytest.raises(JobError, match=told):
        record(**values)


def test_a_record_in_a_log_shows_nothing_private():
    assert "fox" not in repr(record(user="fox"))


@pytest.mark.parametrize("others", FOREIGN)
def test_a_job_of_others_does_not_exist(store, others):
    job = record()
    store.add(job)
    assert store.get(job.id, *others) is None
    assert store.delete(job.id, *others) is None
    assert store.list(*others).records == ()
    with pytest.raises(JobError, match="after"):
        store.list(*others, after=job.id)
    assert store.get(job.id, *MINE) == job


@pytest.mark.parametrize("id", ["", "video_1", "a\0b", "\ud800", "../x", "x" * 100_000])
def test_what_is_no_id_does_not_exist(store, id):
    assert store.get(id, *MINE) is None
    assert store.delete(id, *MINE) is None
    with pytest.raises(JobError, match="after"):
        store.list(*MINE, after=id)


def several(store: JobStore) -> list[JobRecord]:
    """Seven videos, three of one time, among jobs of others and of another kind."""
    times = [1.0, 2.0, 3.0, 3.0, 3.0, 4.0, 5.0]
    mine = [record(created=time) for time in times]
    for job in mine:
        store.add(job)
        store.add(record(created=job.created, kind="picture"))
        for tenant, owner in FOREIGN:
            store.add(record(created=job.created, tenant=tenant, owner=owner))
    return sorted(mine, key=lambda job: (job.created, job.id))


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_have_each_job_once(store, limit, order):
    mine = several(store)
    found: list[JobRecord] = []
    while True:
        page = store.list(*MINE, after=found[-1].id if found else None, limit=limit, order=order)
        assert len(page.records) <= limit
        assert page.has_more == (len(found) + len(page.records) < len(mine))
        found += page.records
        if not page.has_more:
            break
    assert found == (mine if order == "asc" else mine[::-1])


def test_a_page_of_another_kind(store):
    several(store)
    assert {job.kind for job in store.list(*MINE, "picture").records} == {"picture"}


@pytest.mark.parametrize("values", [{"limit": 0}, {"limit": 101}, {"order": "up"}])
def test_a_page_that_is_none_is_refused(store, values):
    with pytest.raises(JobError, match="asc or desc"):
        store.list(*MINE, **values)


def test_waiting_jobs_of_all_come_in_order(store, runs):
    several(store)
    waiting = store.waiting()
    assert len(waiting) == 35
    for owner in {(job.tenant, job.owner) for job in waiting}:
        ages = [job.created for job in waiting if (job.tenant, job.owner) == owner]
        assert ages == sorted(ages)
    assert runs.begin(waiting[0].id) is not None
    assert waiting[0] not in store.waiting()
    assert len(store.waiting(3)) == 3


def test_each_owner_has_its_turn_in_the_queue(store):
    jobs = [record(created=float(at), owner=f"acme/{owner}") for at, owner in enumerate("aaabba")]
    for job in jobs:
        store.add(job)
    assert [job.created for job in store.waiting()] == [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]
    assert [job.created for job in store.waiting(2)] == [0.0, 3.0]


def test_only_jobs_of_models_that_are_served_wait(store):
    other, mine = record(model="other"), record(model="mine", created=2000.0)
    store.add(other)
    store.add(mine)
    assert [job.id for job in store.waiting(1, {"mine"})] == [mine.id]
    assert store.waiting(1, ()) == ()


def test_of_a_deleted_job_nothing_is_left(store, runs):
    job = record()
    store.add(job)
    begun = runs.begin(job.id)
    runs.choose(begun, Point(2, "front3"))
    assert store.delete(job.id, *MINE) == replace(begun, points={0: Point(2, "front3")})
    assert store.get(job.id, *MINE) is None
    assert store.delete(job.id, *MINE) is None
    assert not runs.finish(begun, result(begun))
    assert not runs.fail(begun, Failure("pipeline", "it broke"))
    assert store.get(job.id, *MINE) is None


def test_without_a_limit_a_job_is_kept_for_ever(database, clock):
    store = JobStore(database, clock=clock)
    job = record()
    store.add(job)
    runs = JobRuns(store, database)
    assert runs.fail(job, Failure("pipeline", "it broke"))
    runs.close()
    assert (store.get(job.id, *MINE).state, store.get(job.id, *MINE).expires) == ("failed", None)


def test_pictures_lie_apart_and_leave_with_their_job(store, database):
    kept, gone, expired = record(), record(), record(created=1000.5)
    for number, job in enumerate((kept, gone, expired)):
        store.add(job, f"pictures {number}")
    store.add(plain := record())
    assert [store.pictures(job.id) for job in (kept, gone, plain)] == ["pictures 0", "pictures 1", None]
    store.delete(gone.id, *MINE)
    store.delete(kept.id, "acme", "acme/key-2")
    with database.writing() as connection:
        jobs = database.tables["jobs"]
        connection.execute(jobs.update().where(jobs.c.id == expired.id).values(expires=5.0))
    assert [job.id for job in EndedJobs(database).delete_expired(10.0)] == [expired.id]
    with database.reading() as connection:
        rows = connection.execute(sa.select(database.tables["job_pictures"])).all()
    assert rows == [(kept.id, "pictures 0")]


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """Gives what is said to the database while the block runs."""
    said: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        said.append(statement)

    sa.event.listen(database._engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        sa.event.remove(database._engine, "before_cursor_execute", note)


def test_looking_at_jobs_reads_none_of_their_pictures(store, runs, database):
    store.add(job := record(), "pictures")
    with statements(database) as said:
        store.get(job.id, *MINE)
        store.find(job.id)
        store.list(*MINE)
        store.waiting()
        begun = runs.begin(job.id)
        runs.choose(begun, Point(1, "good"))
        runs.progress(begun, 50)
        EndedJobs(database).named([job.id])
    assert len(said) > 7
    assert not [statement for statement in said if "pictures" in statement]
    with statements(database) as said:
        runs.finish(begun, result(begun))
    assert [statement.count("length(job_pictures.pictures)") for statement in said if "pictures" in statement] == [1]
