"""The server's database: its migrations, what others find in it, and who is on it."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from evocache.errors import StoreError
from evocache.serve.database.alone import Presence
from evocache.serve.database.database import SERVER, Database
from evocache.serve.database.schema import tables
from evocache.usage.records.event import Event
from evocache.usage.records.sql.sql_store import SqlStore

KEY = {
    "id": "key_1",
    "tenant": "acme",
    "hash": b"\x00\xff",
    "scopes": '["inference"]',
    "name": "of tests",
    "created": 1000.25,
    "quotas": "{}",
}


def difference(url: str, metadata: sa.MetaData, version_table: str) -> list[object]:
    """What Alembic would change about tables that a metadata knows."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        options = {
            "compare_type": True,
            "version_table": version_table,
            "include_object": lambda _, name, kind, *__: kind != "table" or name in metadata.tables,
        }
        found = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    engine.dispose()
    return found


def test_migrations_make_the_tables_that_queries_see(database_url):
    Database(database_url).close()
    assert difference(database_url, tables(), SERVER.table) == []


def test_what_was_written_is_there_when_it_is_opened_again(database_url):
    with Database(database_url) as database, database.writing() as connection:
        connection.execute(database.tables["api_keys"].insert(), KEY)
    with Database(database_url) as database, database.reading() as connection:
        rows = connection.execute(sa.select(database.tables["api_keys"])).mappings().all()
        assert [dict(row) for row in rows] == [{**KEY, "expires": None, "revoked": None}]


def test_a_block_that_fails_writes_nothing(database_url):
    with Database(database_url) as database:

        def fail() -> None:
            with database.writing() as connection:
                connection.execute(database.tables["api_keys"].insert(), KEY)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        with database.reading() as connection:
            assert connection.execute(sa.select(database.tables["api_keys"])).all() == []


def test_records_of_usage_may_be_in_the_same_database(database_url):
    """Each has migrations of its own, and sees nothing of the other's, whichever comes first."""
    Database(database_url).close()
    with SqlStore(database_url, clock=lambda: 1000.0) as store:
        store.append([Event(time=1000.0, tenant="acme", key=b"k", kind="hit")])
    with Database(database_url) as database, database.writing() as connection:
        connection.execute(database.tables["api_keys"].insert(), KEY)
    with SqlStore(database_url, clock=lambda: 1000.0) as store:
        assert store.count() == 1
    assert difference(database_url, tables(), SERVER.table) == []


def test_a_database_of_a_newer_version_is_refused(database_url):
    Database(database_url).close()
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE server_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreError, match="jobs and keys of revision '9999'"):
        Database(database_url)


def test_migrations_are_files_of_the_package():
    names = sorted(path.name for path in SERVER.versions.glob("v*.py"))
    assert names[0] == "v0001_jobs_and_keys.py"


def test_the_file_is_for_its_owner_alone_and_waits_for_the_disk(fast_folder):
    with Database(f"sqlite:///{fast_folder / 'server.db'}") as database, database.writing() as connection:
        connection.execute(database.tables["api_keys"].insert(), KEY)
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert {stat.S_IMODE(file.stat().st_mode) for file in fast_folder.iterdir()} == {0o600}


def test_a_locked_database_is_told(fast_folder):
    path = fast_folder / "server.db"
    with Database(f"sqlite:///{path}", patience=0.1) as database:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"locked.*try: look after it"), database.writing():
            pass
        other.execute("ROLLBACK")
        other.close()
        with database.writing() as connection:
            connection.execute(database.tables["api_keys"].insert(), KEY)


def test_what_was_deleted_is_in_no_file(fast_folder):
    with Database(f"sqlite:///{fast_folder / 'server.db'}") as database:
        keys = database.tables["api_keys"]
        with database.writing() as connection:
            rows = [{**KEY, "id": f"key_{n}", "hash": bytes([n]), "name": f"name of {n}"} for n in range(200)]
            connection.execute(keys.insert(), rows)
        with database.writing() as connection:
            connection.execute(keys.delete().where(keys.c.id == "key_117"))
        assert b"name of 117" in held(fast_folder)
        database.scrub()
        assert b"name of 117" not in held(fast_folder)
        assert b"name of 118" in held(fast_folder)


def held(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("server.db*")))


STAY = """
import sys
from pathlib import Path
from evocache.serve.database.alone import Presence
presence = Presence(Path(sys.argv[1]))
presence.settle()
print("there", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs locks of files that end with their process")
def test_a_server_knows_whether_another_lives(fast_folder):
    """Also of one that was killed, and that said nothing."""
    path = fast_folder / "server.db"
    first = Presence(path)
    assert first.alone
    first.settle()
    second = Presence(path)
    assert not first.alone
    assert not second.alone
    first.close()
    second.close()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "env": env, "text": True}
    with subprocess.Popen([sys.executable, "-c", STAY, str(path)], **pipes) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "there\n"
        third = Presence(path)
        assert not third.alone
        third.close()
        other.send_signal(signal.SIGKILL)
    fourth = Presence(path)
    assert fourth.alone
    fourth.close()


def test_of_postgres_nobody_knows_who_is_there(postgres):
    with Database(postgres.create(f"d{uuid4().hex}")) as database:
        assert database.path is None
        presence = Presence(database.path)
        assert not presence.alone
        presence.settle()
        presence.close()
