"""Jobs as their owners see them: added, looked at, deleted."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from ...errors import JobError
from ..database.database import Database
from .listing import Order, Page, page_of
from .record import JobRecord, Kind, is_id
from .rows import one, to_row


class QueuedJob(NamedTuple):
    """Whose turn it is.

    Attributes:
        id: of the job.
        tenant: whose key it was.
        owner: who asked.
        created: when it was added, in seconds since 1970.
    """

    id: str
    tenant: str
    owner: str
    created: float


class JobStore:
    """Keeps jobs in the server's database. Threads may share it, and servers may share the database.

    Whoever asks for a job names its id, tenant *and* owner: a job of others does not exist.

    Args:
        database: where; it is not closed with the store.
        keep: seconds that a job is kept after its end; None for ever.
        clock: returns seconds since 1970.

    Every method raises `StoreError` if the database is away, locked or full.
    """

    def __init__(
        self, database: Database, *, keep: float | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._database, self._sa = database, database.sa
        self._jobs, self._pictures = database.tables["jobs"], database.tables["job_pictures"]
        self.keep, self.clock = keep, clock

    def add(self, record: JobRecord, pictures: str | None = None) -> None:
        """Keep a new job. It is durable when this returns, and may be acknowledged then.

        Args:
            record: of the job.
            pictures: text of the pictures that were given for it, if there are any.

        Raises:
            JobError: if it is not queued, or there is one of its id.
        """
        if record.state != "queued":
            raise JobError(f"a job that is {record.state}", "one that is queued", "add a job before it runs")
        with self._database.writing() as connection:
            known = self._sa.select(self._jobs.c.id).where(self._jobs.c.id == record.id)
            if connection.execute(known).first() is not None:
                raise JobError("the id of a job that is there", "one of its own", "call new_id for each job")
            connection.execute(self._jobs.insert(), to_row(record))
            if pictures is not None:
                connection.execute(self._pictures.insert(), {"id": record.id, "pictures": pictures})

    def pictures(self, id: str) -> str | None:
        """Return the text of the pictures that were given for a job of whoever; None if there are none."""
        with self._database.reading() as connection:
            asked = self._sa.select(self._pictures.c.pictures).where(self._pictures.c.id == id)
            found: str | None = connection.execute(asked).scalar()
            return found

    def get(self, id: str, tenant: str, owner: str) -> JobRecord | None:
        """Return a job; None if its owner has no such one."""
        if not is_id(id):
            return None
        with self._database.reading() as connection:
            return one(connection, self._sa.select(self._jobs).where(self._meant(tenant, owner, id)))

    def find(self, id: str) -> JobRecord | None:
        """Return a job of whoever; None if there is none. Whoever is given it has proved that it may see it."""
        if not is_id(id):
            return None
        with self._database.reading() as connection:
            return one(connection, self._sa.select(self._jobs).where(self._jobs.c.id == id))

    def list(
        self,
        tenant: str,
        owner: str,
        kind: Kind = "video",
        *,
        after: str | None = None,
        limit: int = 20,
        order: Order = "desc",
    ) -> Page:
        """Return a page of an owner's jobs, in order of their creation.

        Args:
            tenant: whose key it is.
            owner: who asks.
            kind: of the jobs.
            after: id of the last job of the page before.
            limit: how many, 1 to 100.
            order: `desc` has the latest first.

        Raises:
            JobError: if the limit is none, or the owner has no job of the id `after`.
        """
        with self._database.reading() as connection:
            meant = self._sa.and_(self._meant(tenant, owner), self._jobs.c.kind == kind)
            return page_of(connection, self._sa, self._jobs, meant, after=after, limit=limit, order=order)

    def delete(self, id: str, tenant: str, owner: str) -> JobRecord | None:
        """Delete a job in whatever state, with all that was asked for.

        Its files are to be deleted after it: files that no row names are swept at the next start.

        Returns:
            The job as it was; None if its owner has no such one.
        """
        if not is_id(id):
            return None
        with self._database.writing() as connection:
            gone = self._jobs.delete().where(self._meant(tenant, owner, id))
            record = one(connection, gone.returning(*self._jobs.c))
            if record is not None:
                connection.execute(self._pictures.delete().where(self._pictures.c.id == id))
            return record

    def waiting(
        self, most: int = 1000, models: Collection[str] | None = None, *, ids: Collection[str] | None = None
    ) -> tuple[QueuedJob, ...]:
        """Return queued jobs, for servers, to be begun by `JobRuns.begin`.

        The oldest of each owner comes first, the oldest of these before the others, then the second of each.

        Args:
            most: how many.
            models: that are meant; None for all.
            ids: that are meant; None for all.
        """
        sa, columns = self._sa, self._jobs.c
        meant = columns.state == "queued"
        if models is not None:
            meant = sa.and_(meant, columns.model.in_([*models]))
        if ids is not None:
            meant = sa.and_(meant, columns.id.in_([*ids]))
        ages = columns.created, columns.id
        place = sa.func.row_number().over(partition_by=(columns.tenant, columns.owner), order_by=ages).label("place")
        names = ("id", "tenant", "owner", "created")
        queue = sa.select(*(columns[name] for name in names), place).where(meant).subquery()
        asked = sa.select(*(queue.c[name] for name in names))
        asked = asked.order_by(queue.c.place, queue.c.created, queue.c.id).limit(most)
        with self._database.reading() as connection:
            return tuple(QueuedJob(*row) for row in connection.execute(asked))

    def count(self) -> dict[str, int]:
        """Return how many jobs of all owners there are, by state."""
        state = self._jobs.c.state
        with self._database.reading() as connection:
            rows = connection.execute(self._sa.select(state, self._sa.func.count()).group_by(state))
            return {str(state): int(number) for state, number in rows}

    def _meant(self, tenant: str, owner: str, id: str | None = None) -> Any:
        columns = self._jobs.c
        mine = self._sa.and_(columns.tenant == tenant, columns.owner == owner)
        return mine if id is None else self._sa.and_(mine, columns.id == id)


def expiry(ended: float, keep: float | None) -> float | None:
    """Return when a job that has ended is deleted."""
    return None if keep is None else ended + keep
