"""The server's database: what is written is durable once `writing` has ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from ...extras import optional
from ...usage.records.sql.engine import PATIENCE, connect, telling, writing
from ...usage.records.sql.migrate import Migrations
from .schema import tables

SERVER = Migrations("jobs and keys", Path(__file__).parent / "versions", "server_version")

CONNECTIONS = 8
"""To Postgres, that are kept open."""


class Database:
    """A database whose tables are up to date. Threads may share it, and processes may open the same.

    SQLite writes ahead and waits for the disk (`synchronous=FULL`): what was written outlives a power cut. Its file is
    for its owner alone (mode 0600).

    Args:
        where: URL such as `sqlite:///jobs.db` or `postgresql+pg8000://user@host/database`.
        patience: seconds that a lock of somebody else is waited for.

    Raises:
        DependencyError: if SQLAlchemy, Alembic or pg8000 is not installed.
        StoreError: if the database cannot be opened, or a newer evocache made it.
    """

    def __init__(self, where: str, *, patience: float = PATIENCE) -> None:
        self.sa = optional("sqlalchemy")
        self.tables = tables().tables
        self._engine = connect(where, patience, SERVER, connections=CONNECTIONS)

    @property
    def path(self) -> Path | None:
        """The file of SQLite; None of Postgres."""
        return Path(self._engine.url.database) if self._lite else None

    @property
    def _lite(self) -> bool:
        return bool(self._engine.dialect.name == "sqlite")

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Give a connection of SQLAlchemy that sees one state of the database.

        Raises:
            StoreError: if it cannot be read.
        """
        with telling(self._engine, "read"), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """Give a connection of SQLAlchemy whose changes are durable once the block has ended, or none of them is.

        Raises:
            StoreError: if they cannot be written: the database is away, locked or full.
        """
        with telling(self._engine, "written"), writing(self._engine) as connection:
            yield connection

    def scrub(self) -> None:
        """Overwrite what deleted rows left in SQLite's files, unless others read; Postgres does so by itself in time.

        Raises:
            StoreError: if the database is away, locked or full.
        """
        if self._lite:
            with telling(self._engine, "wiped"), self._engine.connect() as connection:
                raw = connection.connection
                raw.execute("VACUUM")
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Give connections back. Closing twice does nothing."""
        self._engine.dispose()

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
