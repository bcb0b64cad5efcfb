"""A SQLite file of one user's: opened for this process and its threads, private, small, and replaced when damaged."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .forks import watch

Result = TypeVar("Result")

WAL_BYTES = 4 << 20
"""Bytes that the file of what was written last is cut to."""

_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=NORMAL",  # what is committed outlives the process; a power cut may take the last commits
    "secure_delete=ON",
    "temp_store=MEMORY",
    f"journal_size_limit={WAL_BYTES}",
)


class WrongSchemaError(Exception):
    """A database of another version."""


class Database:
    """One connection, which threads use in turns, and which is closed before a fork.

    A file that was replaced or deleted meanwhile is opened anew.

    Args:
        path: the file; its folder is made, for its user only, if it is not there.
        schema: statements that make the tables where there are none.
        version: the schema's version.
        busy_seconds: how long other processes that write are waited for.
    """

    def __init__(self, path: Path, schema: str, version: int, busy_seconds: float) -> None:
        self.path = path
        self._schema, self._version, self._busy = schema, version, busy_seconds
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)
        watch(self)

    def run(self, job: Callable[[sqlite3.Connection], Result], *, write: bool = False) -> Result:
        """Return what a job returns that is given the connection, within a transaction if it writes.

        Raises:
            sqlite3.Error: if the file is damaged, locked or full.
            OSError: if it cannot be opened.
            WrongSchemaError: if another version wrote it.
        """
        with self._lock:
            connection = self._opened()
            if not write:
                return job(connection)
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = job(connection)
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            return result

    def _opened(self) -> sqlite3.Connection:
        if self._connection is not None and self._identity != self._present():
            self._close()
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def _present(self) -> tuple[int, int]:
        """Which file lies at the path now."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return 0, 0
        return found.st_dev, found.st_ino

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives its other files the same rights
        if self.path.stat().st_mode & 0o077:
            self.path.chmod(0o600)
        self._identity = self._present()  # known even where it turns out to be damaged
        connection = sqlite3.connect(self.path, self._busy, isolation_level=None, check_same_thread=False)
        try:
            until = time.monotonic() + self._busy
            if not _patiently(connection, "PRAGMA page_count", until)[0][0]:
                _patiently(connection, "PRAGMA auto_vacuum=INCREMENTAL", until)  # before there are tables
            for pragma in _PRAGMAS:
                _patiently(connection, f"PRAGMA {pragma}", until)
            if connection.execute("PRAGMA user_version").fetchone()[0] != self._version:
                self._make(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _make(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, self._version):
            raise WrongSchemaError(f"version {version} instead of {self._version}")
        for statement in self._schema.split(";;"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={self._version}")
        connection.execute("COMMIT")

    def shrink(self) -> None:
        """Give pages that are free back to the file system, but for a tenth that the next entries use."""

        def job(connection: sqlite3.Connection) -> None:
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            if 10 * free > pages:
                connection.executescript(f"PRAGMA incremental_vacuum({free})")  # `execute` frees one page
            with contextlib.suppress(FileNotFoundError):
                if self._beside("-wal").stat().st_size > WAL_BYTES:
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

        self.run(job)

    def scrub(self, tries: int = 20) -> bool:
        """Move all that was written to the file itself and empty the others, so that what was deleted is in none.

        Returns:
            Whether that was done; another process that reads for long can be in its way.
        """

        def job(connection: sqlite3.Connection) -> bool:
            connection.executescript("PRAGMA incremental_vacuum")
            connection.execute("PRAGMA busy_timeout=20")
            try:
                busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                connection.execute(f"PRAGMA busy_timeout={int(1000 * self._busy)}")
            return not busy

        for _ in range(tries):
            if self.run(job):
                return True
            time.sleep(0.01)
        return False

    def set_aside(self) -> None:
        """Move a damaged file away, so that the next job begins a new one; one of another process's is left."""
        with self._lock:
            mine = self._identity
            self._close()
            if mine != self._present():
                return
            for end in ("-wal", "-shm"):
                self._beside(end).unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                os.replace(self.path, self._beside(".damaged"))

    def forget_damaged(self) -> None:
        """Delete what was set aside."""
        with contextlib.suppress(OSError):
            self._beside(".damaged").unlink()

    def _beside(self, end: str) -> Path:
        return self.path.with_name(self.path.name + end)

    def close(self) -> None:
        """Close the connection; the next job opens it again."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        connection, self._connection, self._identity = self._connection, None, (0, 0)
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def before_fork(self) -> None:
        """Close the connection: SQLite's must not be in two processes."""
        self._lock.acquire()
        self._close()

    def after_fork(self, child: bool) -> None:
        """Go on, with a lock that nobody holds."""
        if child:
            self._lock = threading.Lock()
        else:
            self._lock.release()


def _patiently(connection: sqlite3.Connection, statement: str, until: float) -> Any:
    """Run a statement for which SQLite does not always wait: a change of the journal while another process opens.

    Args:
        connection: runs it.
        statement: what is run.
        until: when another process is waited for no longer, on the clock of `time.monotonic`.
    """
    while True:
        try:
            return connection.execute(statement).fetchall()
        except sqlite3.OperationalError as error:
            if time.monotonic() >= until or "locked" not in str(error):
                raise
            time.sleep(0.01)
