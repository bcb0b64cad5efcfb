"""The disk tier: one SQLite file that threads and processes share, and that outlives them."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from ...errors import UsageError
from ...user_warnings import warn
from ..keys.digest import Digester, derive
from .breaker import Breaker
from .database import Database, WrongSchemaError
from .rows import SCHEMA, VERSION, Rows, room_of
from .seal import Seal
from .tier import Stored, Tier, not_cleared

Result = TypeVar("Result")

USES = 256
"""Hits that are remembered until they are written to the scores of their entries."""


class DiskTier(Tier):
    """Entries as rows of a SQLite file with a write-ahead log.

    What `put_many` took outlives a killed process; a power cut may take the last seconds. The file, and the two beside
    it that SQLite keeps, are readable by their user only; what is deleted is overwritten. The file stays about as large
    as its tenants' bytes together, up to a third larger after much has come and gone, and a log of a few megabytes.
    Who leaves is said in `rows`. A damaged file is moved to `NAME.damaged` with a warning, and a new one begun; `clear`
    deletes that as well.

    Args:
        path: the file, on a local disk; it and its folder are made if they are not there.
        secret: the installation's secret.
        max_bytes: bytes of this tenant's entries.
        tenant: whose they are.
        clock: seconds since 1970.
        breaker: says when a file that failed is tried again.
        busy_seconds: how long another process that writes is waited for.

    Raises:
        UsageError: if another secret wrote the file.
    """

    name = "disk"

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        secret: bytes,
        max_bytes: int,
        tenant: str | None = None,
        clock: Callable[[], float] = time.time,
        breaker: Breaker | None = None,
        busy_seconds: float = 1.0,
    ) -> None:
        super().__init__(max_bytes)
        digest = Digester(secret, tenant).tenant
        self._path = Path(path)
        self._rows = Rows(digest, Seal(secret, digest), derive(secret, "mark of a database")[:16])
        self._database = Database(self._path, SCHEMA, VERSION, busy_seconds)
        self._breaker = breaker or Breaker(f"the cache on disk, {path}")
        self._clock = clock
        self._used: list[bytes] = []
        self._unscrubbed = False
        if not self._try(self._rows.is_ours, True):  # reads alone, so that nobody who writes is waited for
            given = f"{path}, which was written with another secret"
            raise UsageError(given, "the secret that it was begun with", "put that secret back, or delete the file")

    def get(self, key: bytes) -> Stored | None:
        """Return an entry; a damaged one is deleted, and the first is warned of."""
        found = self._try(lambda db: self._rows.get(db, key), None)
        if found is not None and not found[1]:
            self._try(lambda db: self._rows.delete(db, [key]), 0, write=True)
            self.figures.damaged += 1
            if self.figures.damaged == 1:
                told = f"an entry of the cache on disk, {self._path}, is damaged and was deleted; try: check the disk"
                warn(told)
        if found is None or not found[1] or found[0].over(self._clock()):
            self.figures.misses += 1
            return None
        self.figures.hits += 1
        self._used.append(key)
        if len(self._used) >= USES:
            self._try(self._write_uses, None, write=True)
        return found[0]

    def _write_uses(self, db: sqlite3.Connection) -> None:
        used, self._used = self._used, []
        self._rows.used(db, used)

    def put_many(self, entries: Iterable[tuple[bytes, Stored]]) -> int:
        """Insert entries in one transaction; those too large, or forgotten since they began, are dropped."""
        given = list(entries)
        fitting = [(key, stored) for key, stored in given if room_of(stored.payload) <= self.max_bytes]

        def job(db: sqlite3.Connection) -> tuple[int, int]:
            if not self._rows.is_ours(db):
                raise OSError("it was begun anew with another secret")
            self._write_uses(db)
            self._rows.drop_over(db, self._clock())
            return self._rows.put(db, fitting, self.max_bytes)

        taken, evicted = self._try(job, (0, 0), write=True) if fitting else (0, 0)
        self.figures.evicted += evicted
        self.figures.stored += taken
        self.figures.dropped += len(given) - taken
        if evicted:
            self._guard(self._database.shrink, None)
        if self._unscrubbed:
            self._scrub()
        return taken

    def delete(self, keys: Iterable[bytes]) -> int:
        """Delete rows, whose content is overwritten."""
        return self._try(lambda db: self._rows.delete(db, keys, self._clock()), 0, write=True)

    def clear(self, owner: bytes | None = None) -> int:
        """Delete rows, and empty the log of them; the file that was set aside goes as well.

        Raises:
            UsageError: if the file cannot be used, so that they may still be there.
        """
        self._used.clear()
        gone = self._try(lambda db: self._rows.clear(db, owner, self._clock()), None, write=True)
        if gone is None:
            raise not_cleared(self.name)
        self._database.forget_damaged()
        self._scrub()
        return gone

    def _scrub(self) -> None:
        clean = self._guard(self._database.scrub, None)
        if clean is False and not self._unscrubbed:
            told = "another process reads the cache on disk: what was cleared stays in its log until the next put"
            warn(told)
        self._unscrubbed = not clean

    def expire(self) -> int:
        """Delete rows whose time is over."""
        gone = self._try(lambda db: self._rows.expire(db, self._clock()), 0, write=True)
        if gone:
            self._guard(self._database.shrink, None)
        return gone

    @property
    def bytes(self) -> int:
        """Bytes of the tenant's rows, in pages of the file."""
        return self._try(self._rows.totals, (0, 0))[0]

    def __len__(self) -> int:
        return self._try(self._rows.totals, (0, 0))[1]

    def close(self) -> None:
        """Write what is remembered of uses, and close the file."""
        if self._used and self._path.exists():
            self._try(self._write_uses, None, write=True)
        self._database.close()

    def _try(self, job: Callable[[sqlite3.Connection], Result], other: Result, *, write: bool = False) -> Result:
        """Return what a job returns, or another answer where the file cannot be used."""
        return self._guard(lambda: self._database.run(job, write=write), other)

    def _guard(self, action: Callable[[], Result], other: Result) -> Result:
        for first in (True, False):
            if self._breaker.open:
                return other
            try:
                result = action()
            except (sqlite3.Error, OSError, WrongSchemaError) as error:
                self.figures.failures += 1
                if first and _damaged(error):
                    self._begin_anew(error)
                    continue
                self._breaker.failed(f"{type(error).__name__}: {error}")
                return other
            self._breaker.worked()
            return result
        return other

    def _begin_anew(self, error: Exception) -> None:
        try:
            self._database.set_aside()
        except OSError as failed:
            self._breaker.failed(f"{failed} after {error}")
            return
        told = f"the cache on disk, {self._path}, is damaged ({error}) and was moved to {self._path.name}.damaged"
        warn(f"{told}; a new one is begun")
        self._guard(lambda: self._database.run(self._rows.is_ours, write=True), False)


def _damaged(error: Exception) -> bool:
    """Whether the file is no database, or is one no more: those errors are of no class below."""
    return isinstance(error, WrongSchemaError) or type(error) is sqlite3.DatabaseError
