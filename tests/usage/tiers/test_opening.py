"""A file is opened while another process writes to it, and nobody waits for long."""

from __future__ import annotations

import sqlite3

import pytest

from evocache.usage.tiers import database
from evocache.usage.tiers.disk import DiskTier

from .fakes import SECRET, entry, key


def test_a_file_that_another_writes_to_is_opened_and_read(tmp_path, clock):
    path = tmp_path / "answers.db"
    with DiskTier(path, secret=SECRET, max_bytes=1 << 20, clock=clock) as tier:
        tier.put_many([(key(1), entry())])
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with DiskTier(path, secret=SECRET, max_bytes=1 << 20, clock=clock, busy_seconds=0.05) as late:
            assert late.get(key(1)) == entry()
            assert late.figures.failures == 0
            other.execute("ROLLBACK")
            other.close()


def test_a_new_file_gives_its_pages_back(tmp_path, clock):
    path = tmp_path / "answers.db"
    with DiskTier(path, secret=SECRET, max_bytes=1 << 20, clock=clock) as tier:
        assert tier._database.run(lambda db: db.execute("PRAGMA auto_vacuum").fetchone()) == (2,)


def test_a_file_that_is_locked_is_waited_for_by_time_and_not_by_tries(monkeypatch):
    class Locked:
        def execute(self, statement):
            asked.append(statement)
            now[0] += 1.0  # as long as SQLite itself waits
            raise sqlite3.OperationalError("database is locked")

    now, asked = [0.0], []
    monkeypatch.setattr(database.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(database.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    with pytest.raises(sqlite3.OperationalError):
        database._patiently(Locked(), "PRAGMA journal_mode=WAL", 1.0)
    assert len(asked) == 1
    with pytest.raises(sqlite3.OperationalError):
        database._patiently(Locked(), "PRAGMA journal_mode=WAL", 5.0)
    assert 3 <= len(asked) - 1 <= 5
