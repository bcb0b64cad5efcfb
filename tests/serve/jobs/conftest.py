"""Jobs in an empty database of each kind, a clock that stands still, and servers that run them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from evocache.serve.database.database import Database
from evocache.serve.jobs.runs import JobRuns
from evocache.serve.jobs.store import JobStore
from tests.serve.jobs.records import Clock

MakeRuns = Callable[[], JobRuns]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with Database(database_url) as opened:
        yield opened


@pytest.fixture
def store(database: Database, clock: Clock) -> JobStore:
    return JobStore(database, keep=100.0, clock=clock)


@pytest.fixture
def make_runs(store: JobStore, database: Database) -> Iterator[MakeRuns]:
    """`make_runs()`: one more server on the database."""
    made: list[JobRuns] = []

    def make() -> JobRuns:
        made.append(JobRuns(store, database, lease=30.0))
        return made[-1]

    yield make
    for runs in made:
        runs.close()


@pytest.fixture
def runs(make_runs: MakeRuns) -> JobRuns:
    return make_runs()
