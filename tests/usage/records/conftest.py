"""Stores of each kind, empty: `store` runs a test over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from evocache.usage.records.memory import MemoryStore
from evocache.usage.records.sql.sql_store import SqlStore
from evocache.usage.records.store import EventStore
from tests.postgres import Server

MakeStore = Callable[..., EventStore]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'usage.db'}"
    running: Server = request.getfixturevalue("postgres")
    return running.create(f"d{uuid4().hex}")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeStore]:
    """`make(**options)`: the empty store of the test; all made in one test share their database."""
    made: list[EventStore] = []
    where = f"sqlite:///{tmp_path / 'usage.db'}"
    if request.param == "postgres":
        running: Server = request.getfixturevalue("postgres")
        where = running.create(f"d{uuid4().hex}")

    def fresh(**options: Any) -> EventStore:
        options.setdefault("clock", lambda: 2000.0)
        made.append(MemoryStore(**options) if request.param == "memory" else SqlStore(where, **options))
        return made[-1]

    yield fresh
    for store in made:
        store.close()


@pytest.fixture
def store(make: MakeStore) -> EventStore:
    return make()
