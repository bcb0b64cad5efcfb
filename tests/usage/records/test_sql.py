"""Stores in databases: files and who may read them, migrations, crashes, what is left of what was deleted."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from evocache.errors import StoreError
from evocache.usage.records.open_store import open_store
from evocache.usage.records.retention import Retention
from evocache.usage.records.sql import migrate as migrations
from evocache.usage.records.sql.schema import tables
from evocache.usage.records.sql.sql_store import SqlStore
from tests.usage.records.events import event, full, many

HERE = Path(__file__).parent
FOREVER = Retention(None, None, None)


def python(code: str, *arguments: str, **options) -> subprocess.Popen[str]:
    """A process that runs a program."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def test_migrations_make_the_tables_that_queries_see(url):
    SqlStore(url).close()
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert [d for d in compare_metadata(context, tables()) if "alembic_version" not in str(d)] == []
    engine.dispose()


def test_a_database_is_opened_again_as_it_was(url):
    with SqlStore(url, retention=FOREVER) as store:
        store.append(many(50))
    with SqlStore(url, retention=FOREVER) as store:
        assert list(store.read()) == many(50)
        assert store.summarize("tenant") != []


OPEN = """
import sys
from evocache.usage.records.sql.sql_store import SqlStore
from tests.usage.records.events import event
sys.stdin.readline()
with SqlStore(sys.argv[1], patience=60.0, clock=lambda: 1000.0) as store:
    store.append([event(tenant=sys.argv[2])])
"""


def test_processes_open_a_new_database_at_once(url):
    others = [python(OPEN, url, f"tenant-{number}", stdin=subprocess.PIPE) for number in range(3)]
    for other in others:
        assert other.stdin is not None
        other.stdin.write("go\n")
        other.stdin.flush()
    for other in others:
        _, said = other.communicate(timeout=300)
        assert other.returncode == 0, said
    with SqlStore(url, clock=lambda: 1000.0) as store:
        assert [one.value for one in store.summarize("tenant")] == ["tenant-0", "tenant-1", "tenant-2"]


def test_a_database_of_a_newer_version_is_refused(url):
    SqlStore(url).close()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreError, match="revision '9999'"):
        SqlStore(url)


def test_migrations_are_files_of_the_package():
    folder = Path(migrations.__file__).parent / "migrations"
    names = sorted(path.name for path in (folder / "versions").glob("v*.py"))
    assert names[0] == "v0001_events.py"
    assert (folder / "env.py").exists()


def test_a_database_of_version_1_is_read(tmp_path):
    """Rows that version 1 wrote, as `sqlite3 usage.db .dump` shows them; they must be read for ever."""
    path = tmp_path / "usage.db"
    old = sqlite3.connect(path)
    old.executescript((HERE / "old" / "version-1.sql").read_text(encoding="utf-8"))
    old.close()
    with open_store(path, retention=FOREVER, privacy="text") as store:
        assert list(store.read()) == [event(tenant="", key=b"", kind="shed"), full(1000.5)]
        store.append([event(2000.0)])
        assert store.count() == 3


def test_rows_of_a_newer_version_are_refused(tmp_path):
    with open_store(tmp_path / "usage.db", clock=lambda: 1000.0) as store:
        store.append([event()])
        with sqlite3.connect(tmp_path / "usage.db") as raw:
            raw.execute("UPDATE events SET version = 2")
        raw.close()
        with pytest.raises(Exception, match="version 2"):
            list(store.read())


def test_an_event_takes_about_120_bytes(tmp_path):
    with open_store(tmp_path / "usage.db", retention=FOREVER) as store:
        store.append(many(2000))
        empty = 12 * 4096  # a page a table and index, and its own
        assert 95 < (store.used_bytes() - empty) / 2000 < 140


def test_postgres_is_about_right_on_the_bytes_that_it_takes(postgres):
    url = postgres.create(f"d{uuid4().hex}")
    with SqlStore(url, retention=FOREVER) as store:
        store.append(many(3000))
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            true = connection.execute(sa.text("SELECT pg_total_relation_size('events')")).scalar()
        engine.dispose()
        assert 0.6 < store.used_bytes() / true < 1.4


def test_files_of_sqlite_are_for_their_owner_alone(tmp_path):
    path = tmp_path / "deep" / "usage.db"
    with open_store(path, clock=lambda: 1000.0) as store:
        store.append([event()])
        files = sorted(path.parent.iterdir())
        assert [file.name for file in files] == ["usage.db", "usage.db-shm", "usage.db-wal", "usage.db.lock"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        raw = sqlite3.connect(path)
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        raw.close()
    path.chmod(0o644)
    open_store(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_of_an_owner_is_left_in_files(tmp_path):
    """Their digests, keys, groups and texts, among those of many others in random order."""
    draw = random.Random(1)
    owners = [draw.randbytes(8) for _ in range(40)]
    events = [replace(e, owner=draw.choice(owners), text=f"text of {e.key.hex()}", tenant="acme") for e in many(4000)]
    gone, kept = owners[7], owners[8]
    traces = [gone, *(part for e in events if e.owner == gone for part in (e.key, e.group, e.text.encode()))]
    with open_store(tmp_path / "usage.db", privacy="text", retention=FOREVER) as store:
        for start in range(0, 4000, 400):
            store.append(events[start : start + 400])
        assert all(trace in held(tmp_path) for trace in traces)
        assert store.delete_owner("acme", gone) == sum(e.owner == gone for e in events)
        assert not [trace for trace in traces if trace in held(tmp_path)]
        assert list(store.read()) == [e for e in events if e.owner != gone]
    assert not [trace for trace in traces if trace in held(tmp_path)]
    assert kept in held(tmp_path)


def held(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("usage.db*")))


def test_a_log_that_others_read_is_told(tmp_path):
    """A reader in the midst of a transaction keeps the log, and so what was deleted."""
    with SqlStore(f"sqlite:///{tmp_path / 'usage.db'}", retention=FOREVER, patience=0.1) as store:
        store.append([event(owner=b"\xab\xcd" * 4), event(owner=b"\x12\x34" * 4)])
        reader = sqlite3.connect(tmp_path / "usage.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events").fetchall()
        with pytest.raises(StoreError):
            store.delete_owner("acme", b"\xab\xcd" * 4)
        reader.close()
        store.delete_owner("acme", b"\xab\xcd" * 4)
        assert b"\xab\xcd" * 4 not in held(tmp_path)
        assert b"\x12\x34" * 4 in held(tmp_path)


def test_nothing_of_an_owner_is_in_a_dump_of_postgres(postgres):
    name = f"d{uuid4().hex}"
    gone = b"\xab\xcd" * 4
    with SqlStore(postgres.create(name), retention=FOREVER) as store:
        store.append([event(owner=gone), event(owner=b"\x12\x34" * 4)])
        assert gone.hex().encode() in postgres.tool("pg_dump", name)
        assert store.delete_owner("acme", gone) == 1
    dump = postgres.tool("pg_dump", name)
    assert gone.hex().encode() not in dump
    assert b"1234123412341234" in dump


WRITE = """
import itertools, sys
from evocache.usage.records.open_store import open_store
from evocache.usage.records.retention import Retention
from tests.usage.records.events import event
with open_store(sys.argv[1], retention=Retention(None, None, None)) as store:
    for number in itertools.count():
        store.append([event(1000.0 + number, size=part) for part in range(20)])
        print(number, flush=True)
"""


def test_what_was_acknowledged_outlives_a_kill(tmp_path):
    path = tmp_path / "usage.db"
    writer = python(WRITE, str(path))
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(12)]
    writer.send_signal(signal.SIGKILL)
    with writer:
        acknowledged += map(int, writer.stdout.read().split())  # what was read ahead of the lines above among it
    with open_store(path, retention=FOREVER) as store:
        times = [e.time - 1000.0 for e in store.read()]
        assert times[: 20 * len(acknowledged)] == [number for number in acknowledged for _ in range(20)]
        assert len(times) % 20 == 0, "a batch is whole or absent"
        assert len(times) <= 20 * (len(acknowledged) + 1)
        store.append([event(5000.0)])
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    raw.close()


def test_a_locked_database_is_told_and_keeps_nothing_of_a_batch(tmp_path):
    with SqlStore(f"sqlite:///{tmp_path / 'usage.db'}", retention=FOREVER, patience=0.1) as store:
        other = sqlite3.connect(tmp_path / "usage.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            store.append([event(tenant="new")])
        other.execute("ROLLBACK")
        other.close()
        assert store.count() == 0
        store.append([event(tenant="new")])
        assert [e.tenant for e in store.read()] == ["new"]


def test_a_full_database_is_told_and_goes_on_when_there_is_room(tmp_path):
    with SqlStore(f"sqlite:///{tmp_path / 'usage.db'}", retention=FOREVER) as store:
        store.append(many(200))
        with store._engine.connect() as connection:  # one connection, which the pool gives again
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="full"):
            store.append([replace(e, tenant="late") for e in many(2000)])
        assert list(store.read()) == many(200)
        assert store.delete_oldest(150) == 150
        store.append(many(50))
        assert store.count() == 100


def test_postgres_that_was_away_comes_back(postgres):
    with SqlStore(postgres.create(f"d{uuid4().hex}"), retention=FOREVER, patience=1.0) as store:
        store.append([event(1.0)])
        postgres.stop()
        with pytest.raises(StoreError) as error:
            store.append([event(2.0)])
        assert "secret-word" not in str(error.value)
        with pytest.raises(StoreError):
            list(store.read())
        postgres.start()
        store.append([event(3.0)])
        assert [e.time for e in store.read()] == [1.0, 3.0]


def test_errors_show_neither_password_nor_events(postgres):
    wrong = postgres.url().replace("secret-word", "wrong-word")
    with pytest.raises(StoreError, match="password authentication failed") as error:
        SqlStore(wrong)
    assert "wrong-word" not in str(error.value)


@pytest.mark.parametrize("where", ["mysql://host/x", "sqlite://", "sqlite:///:memory:", "no url", "redis://x"])
def test_what_is_no_database_of_events_is_refused(where):
    with pytest.raises(StoreError, match="postgresql"):
        SqlStore(where)


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, " * 500)
    with pytest.raises(StoreError, match="not a database"):
        open_store(path)
    assert path.read_text() == "Dear reader, " * 500


def test_a_store_in_memory_is_opened_without_a_name():
    with open_store(clock=lambda: 1000.0) as store:
        store.append([event()])
        assert store.count() == 1
