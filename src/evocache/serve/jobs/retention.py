"""How long results are kept and how much room they have; who is refused where there is none."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...errors import JobError, QuotaError, StoreError, short
from ..database.database import Database
from .calls import Calls
from .ended import EndedJobs, Used
from .files import ResultFiles
from .record import JobRecord
from .store import JobStore

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """How much room results have. How long they are kept is told to the `JobStore`.

    Attributes:
        bytes: that results may take, with what open jobs are expected to give; None for any.
        tenant_bytes: the same of one tenant, whose results leave for nobody else's; None for any.
        free_bytes: of the disk that are left to others.
        young: seconds that a result is kept at the least, also where it is in the way.

    Raises:
        JobError: if a limit is none.
    """

    bytes: int | None = 10_000_000_000
    tenant_bytes: int | None = None
    free_bytes: int = 200_000_000
    young: float = 300.0

    def __post_init__(self) -> None:
        for name, least in (("bytes", 1), ("tenant_bytes", 1), ("free_bytes", 0), ("young", 0)):
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise JobError(f"{name} {short(value)} of room for results", f"{least} or more", "leave it out")


@dataclass(frozen=True, slots=True)
class Swept:
    """How many jobs left, by the limit that they were over, and how many calls."""

    expired: int
    crowded: int
    calls: int


def free_bytes(folder: Path) -> int:
    """Return the bytes that are free on the disk of a folder.

    Raises:
        StoreError: if the folder is not there, or its disk does not answer.
    """
    try:
        return shutil.disk_usage(folder).free
    except OSError as error:
        given = f"{folder}, whose disk cannot be asked for its room ({type(error).__name__}: {error.strerror})"
        raise StoreError(given, "a folder on a disk that is there", "try again once it is") from error


class Retention:
    """Lets jobs in where there is room, and old ones leave: their rows, with all that was asked for, and their files.

    Jobs that are open are never deleted; of those that ended, the one that ended first leaves first. Several servers on
    one database may let in a few jobs more than fit.

    Args:
        store: of jobs; its `keep` is their age.
        database: the store's.
        files: of results.
        calls: that are forgotten at the same age; None for none.
        room: how much there is.
        free: returns the bytes that are free on the disk of a folder.
        scrub: seconds at the least between two times that SQLite's file is written anew, without what was deleted.
    """

    def __init__(
        self,
        store: JobStore,
        database: Database,
        files: ResultFiles,
        calls: Calls | None = None,
        room: RoomLimits | None = None,
        *,
        free: Callable[[Path], int] = free_bytes,
        scrub: float = HOUR / 6,
    ) -> None:
        self._store, self._database, self._files, self._calls = store, database, files, calls
        self._ended = EndedJobs(database)
        self.room = room or RoomLimits()
        self._free, self._scrub = free, scrub
        self._door = threading.Lock()
        self._traces, self._scrubbed = True, float("-inf")

    def add(self, record: JobRecord, pictures: str | None = None) -> None:
        """Make room for a job and add it; it is durable when this returns.

        Args:
            record: a queued job; its `bytes` are what its result is expected to take.
            pictures: text of the pictures that were given for it, if there are any.

        Raises:
            QuotaError: if there would be no room even if all went that may; then nothing is deleted.
            StoreError: if the database is away, locked or full.
        """
        with self._door:
            self._make_room(record.tenant, record.bytes)
            self._store.add(record, pictures)

    def delete(self, id: str, tenant: str, owner: str) -> JobRecord | None:
        """Delete a job in whatever state, its files with it; what was asked for is overwritten by the next sweeps.

        Returns:
            The job as it was; None if its owner has no such one.
        """
        record = self._store.delete(id, tenant, owner)
        if record is not None:
            self._left([record])
        return record

    def sweep(self) -> Swept:
        """Delete what is over its age or in the way; call it about once a minute."""
        now = self._store.clock()
        expired = crowded = 0
        while gone := self._ended.delete_expired(now):
            expired += self._left(gone)
        for over in self._over(None, 0):
            crowded += self._evict(over)
        calls = 0
        if self._calls is not None and self._store.keep is not None:
            calls = self._calls.forget(now - self._store.keep)
        if self._traces and now - self._scrubbed >= self._scrub:
            with suppress(StoreError):  # somebody writes: the next sweep tries again
                self._database.scrub()
                self._traces, self._scrubbed = False, now
        return Swept(expired, crowded, calls)

    def sweep_files(self, before: float) -> int:
        """Delete files that servers which died left, at the start; return how many.

        Args:
            before: seconds since 1970 of the files' clock. Later files are left: the start of this server if it is the
                first one (`JobRuns.first`), else an hour ago.
        """
        return self._files.sweep(self._ended.named, before)

    def _make_room(self, tenant: str, more: int) -> None:
        overs = self._over(tenant, more)
        for over in overs:
            if over.bytes > over.used.ended:
                raise self._refusal(over, more)
        while overs:
            if not self._evict(overs[0]):
                raise self._refusal(overs[0], more)
            overs = self._over(tenant, more)

    def _refusal(self, over: _Over, more: int) -> QuotaError:
        return QuotaError(
            f"a result of about {more} bytes, for which {over.bytes} are missing {over.whose}",
            f"at most {over.used.ended} bytes that jobs which ended {self.room.young:.0f} s ago would leave",
            "delete jobs that are not needed, or wait until those that run have ended",
        )

    def _over(self, tenant: str | None, more: int) -> list[_Over]:
        """Return by how much each limit would be passed by a result of a tenant."""
        young = self._store.clock() - self.room.young
        used, found = self._ended.used(young), []
        over = 0 if self.room.bytes is None else used.all + more - self.room.bytes
        expected = used.open + more + self.room.free_bytes - self._free(self._files.folder)
        if tenant is not None and self.room.tenant_bytes is not None:
            own = self._ended.used(young, tenant)
            found.append(_Over(own.all + more - self.room.tenant_bytes, own, tenant, "in the room of a tenant"))
        found.append(_Over(max(over, expected), used, None, "in all"))
        return [one for one in found if one.bytes > 0]

    def _evict(self, over: _Over) -> int:
        young, left, gone = self._store.clock() - self.room.young, over.bytes, 0
        while left > 0 and (records := self._ended.delete_oldest(left, young, over.tenant)):
            gone += self._left(records)
            left -= sum(record.bytes for record in records)
        return gone

    def _left(self, records: Iterable[JobRecord]) -> int:
        """Delete the files of jobs whose rows have gone; what cannot be deleted now is swept at the next start."""
        gone = [*records]
        for record in gone:
            with suppress(StoreError):
                self._files.delete(record)
        self._traces = True
        return len(gone)


@dataclass(frozen=True, slots=True)
class _Over:
    """A limit that is passed: by how many bytes, and whose results may leave for it."""

    bytes: int
    used: Used
    tenant: str | None
    whose: str
