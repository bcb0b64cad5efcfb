"""Jobs that are over, which may leave: the room that they take, and whose turn it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..database.database import Database
from .record import JobRecord
from .rows import from_row, read_result
from .states import OPEN

BATCH = 200
"""Rows that are read or deleted at a time, so that nobody waits long for the database."""


@dataclass(frozen=True, slots=True)
class Used:
    """Bytes of results.

    Attributes:
        open: that jobs which are queued or running are expected to take.
        ended: that may be had by deleting.
        young: that are kept for now.
    """

    open: int
    ended: int
    young: int

    @property
    def all(self) -> int:
        """All of them."""
        return self.open + self.ended + self.young


class EndedJobs:
    """What leaves of the jobs of all owners.

    Args:
        database: where they are.

    Every method raises `StoreError` if the database is away, locked or full.
    """

    def __init__(self, database: Database) -> None:
        self._database, self._sa = database, database.sa
        self._jobs, self._pictures = database.tables["jobs"], database.tables["job_pictures"]

    def used(self, young: float, tenant: str | None = None) -> Used:
        """Return the bytes that results take.

        Args:
            young: jobs that ended after this time are kept.
            tenant: whose; None for all.
        """
        sa, columns = self._sa, self._jobs.c
        kinds = (columns.state.in_(OPEN), columns.ended <= young, columns.ended > young)
        asked = sa.select(*(sa.func.sum(sa.case((kind, columns.bytes), else_=0)) for kind in kinds))
        if tenant is not None:
            asked = asked.where(columns.tenant == tenant)
        with self._database.reading() as connection:
            return Used(*(int(total or 0) for total in connection.execute(asked).one()))

    def delete_expired(self, now: float) -> tuple[JobRecord, ...]:
        """Delete jobs whose time is over, `BATCH` at most, and return what they were."""
        columns = self._jobs.c
        old = self._sa.select(columns.id).where(columns.expires <= now).order_by(columns.expires).limit(BATCH)
        return self._delete(old)

    def delete_oldest(self, bytes: int, young: float, tenant: str | None = None) -> tuple[JobRecord, ...]:
        """Delete jobs that hold bytes, the one that ended first before others, and return what they were.

        These are jobs with results, and failed ones that pictures were given for.

        Args:
            bytes: that are to be had at the least; fewer where `BATCH` jobs have not so many.
            young: jobs that ended after this time are kept.
            tenant: whose; None for all.
        """
        columns = self._jobs.c
        meant = self._sa.and_(columns.ended <= young, columns.bytes > 0)
        if tenant is not None:
            meant = self._sa.and_(meant, columns.tenant == tenant)
        asked = self._sa.select(columns.id, columns.bytes).where(meant).order_by(columns.ended, columns.id)
        with self._database.reading() as connection:
            rows = connection.execute(asked.limit(BATCH)).all()
        ids, found = list[str](), 0
        for id, size in rows:
            if found >= bytes:
                break
            ids.append(id)
            found += size
        return self._delete(ids) if ids else ()

    def _delete(self, ids: object) -> tuple[JobRecord, ...]:
        gone = self._jobs.delete().where(self._jobs.c.id.in_(ids)).returning(*self._jobs.c)
        with self._database.writing() as connection:
            records = tuple(from_row(row) for row in connection.execute(gone).mappings())
            connection.execute(self._pictures.delete().where(self._pictures.c.id.in_([job.id for job in records])))
            return records

    def named(self, ids: Iterable[str]) -> Mapping[str, frozenset[str]]:
        """Return the names of the files that rows name, by id of the job."""
        wanted, found = [*ids], dict[str, frozenset[str]]()
        for start in range(0, len(wanted), BATCH):
            meant = self._jobs.c.id.in_(wanted[start : start + BATCH])
            with self._database.reading() as connection:
                rows = connection.execute(self._sa.select(self._jobs.c.id, self._jobs.c.result).where(meant)).all()
            results = ((id, read_result(text)) for id, text in rows)
            found.update((id, frozenset(file.name for file in result.files)) for id, result in results if result)
        return found
