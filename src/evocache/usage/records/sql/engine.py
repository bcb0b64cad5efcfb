"""Connections to databases: SQLite that survives crashes and keeps no traces, and Postgres."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from ....errors import StoreError
from ....extras import optional
from .migrate import EVENTS, Migrations, migrate

PATIENCE = 5.0
"""Seconds that a database may be locked by others before it counts as away."""

_SETTINGS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # what was acknowledged survives a power cut
    "PRAGMA secure_delete=ON",  # what is deleted is overwritten
    "PRAGMA journal_size_limit=1048576",
)


MEND = "look after it, and try again"
"""What to do about a database that fails, if nobody knows better."""


def connect(where: str, patience: float = PATIENCE, migrations: Migrations = EVENTS, *, connections: int = 2) -> Any:
    """Return an engine of SQLAlchemy for a database whose tables are up to date.

    Args:
        where: URL such as `sqlite:///usage.db` or `postgresql+pg8000://user@host/database`.
        patience: seconds that a lock of somebody else is waited for.
        migrations: which tables are meant.
        connections: to Postgres that are kept open; more are opened where they are needed at a time.

    Raises:
        DependencyError: if SQLAlchemy, Alembic or pg8000 is not installed.
        StoreError: if it is no such URL, or the database cannot be opened.
    """
    sa = optional("sqlalchemy")
    try:
        url = sa.engine.make_url(where)
    except sa.exc.ArgumentError:
        raise _no_url("something that is no URL") from None
    if url.drivername in ("postgresql", "postgresql+pg8000"):
        optional("pg8000")
        return _postgres(sa, url.set(drivername="postgresql+pg8000"), patience, migrations, connections)
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        return _sqlite(sa, url, patience, migrations)
    raise _no_url(url.render_as_string(hide_password=True))


def _no_url(given: str) -> StoreError:
    expected = "sqlite:///usage.db, or postgresql+pg8000://user@host/database"
    return StoreError(given, expected, "give the path of a file for SQLite")


def _postgres(sa: Any, url: Any, patience: float, migrations: Migrations, connections: int) -> Any:
    options = {"pool_pre_ping": True, "pool_size": connections, "hide_parameters": True}
    engine = sa.create_engine(url, connect_args={"timeout": 6 * patience}, **options)

    def prepare(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET lock_timeout = {round(patience * 1000)}")
        cursor.close()
        connection.commit()

    sa.event.listen(engine, "connect", prepare)
    with _disposed_on_error(engine), telling(engine, "opened"), engine.begin() as connection:
        migrate(connection, migrations)
    return engine


def _sqlite(sa: Any, url: Any, patience: float, migrations: Migrations) -> Any:
    path = Path(url.database)
    engine = sa.create_engine(url, hide_parameters=True, connect_args={"timeout": patience, "isolation_level": None})

    def prepare(connection: Any, _: Any) -> None:
        for setting in _SETTINGS:
            connection.execute(setting).fetchall()

    def begin(connection: Any) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    sa.event.listen(engine, "connect", prepare)
    sa.event.listen(engine, "begin", begin)
    with _disposed_on_error(engine), telling(engine, "opened"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=max(patience, 1), mode=0o600):
            _create(path)
            with writing(engine) as connection:
                migrate(connection, migrations)
    return engine


@contextmanager
def _disposed_on_error(engine: Any) -> Iterator[None]:
    try:
        yield
    except BaseException:
        engine.dispose()
        raise


def _create(path: Path) -> None:
    """Make the file where there is none, to be read by its owner alone; SQLite's other files follow it."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        path.chmod(0o600)
    if not path.stat().st_size:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("VACUUM")
        connection.close()


def writing(engine: Any) -> Any:
    """Return a context of a connection that is committed at the end, and may write from the beginning."""
    return engine.execution_options(writes=True).begin()


@contextmanager
def telling(engine: Any, done: str, mend: str = MEND) -> Iterator[None]:
    """Turn errors of a database into ours, without what was to be written.

    Args:
        engine: of the database.
        done: what was being done, such as `"read"`.
        mend: what to do about it.
    """
    sa = optional("sqlalchemy")
    try:
        yield
    except (sa.exc.SQLAlchemyError, OSError) as error:
        reason = getattr(error, "orig", None) or error
        told = reason.args[0] if reason.args else ""
        said = (
            told.get("M", "")
            if isinstance(told, dict)
            else str(told if isinstance(error, sa.exc.DBAPIError) else reason)
        )
        raise StoreError(
            f"{engine.url.render_as_string(hide_password=True)}, which could not be {done}: "
            f"{type(reason).__name__} {said[:200]}",
            "a database that is there, not locked, not full and not damaged",
            mend,
        ) from error
