"""A store of events in SQLite or Postgres."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from ....errors import StoreError
from ....extras import optional
from ..event import Event
from ..privacy import Privacy
from ..retention import BATCH, Retention
from ..store import ALL, EventStore, Where
from ..summary import By, Summary, checked, collect
from .engine import PATIENCE, connect, telling, writing
from .queries import conditions, footprint, group_rows
from .rows import WORDS, from_row, to_row, words_in, words_of
from .schema import tables
from .words import Words

PAGE = 1000
"""Events that are read at a time; no transaction is held between."""

_DROPPED = "look after it; what is not written meanwhile is dropped and counted"


class SqlStore(EventStore):
    """Keeps events in a database; several processes may share it.

    What was appended is durable: SQLite keeps it through a power cut, and its file is for its owner alone (mode 0600).

    Args:
        where: URL such as `sqlite:///usage.db` or `postgresql+pg8000://user@host/database`.
        privacy: what is kept of each event.
        retention: what is deleted again.
        clock: returns seconds since 1970.
        patience: seconds that a lock of somebody else is waited for.

    Raises:
        DependencyError: if SQLAlchemy, Alembic or pg8000 is not installed.
        StoreError: if the database cannot be opened, or a newer evocache made it.
    """

    def __init__(
        self,
        where: str,
        *,
        privacy: Privacy = "digest",
        retention: Retention | None = None,
        clock: Callable[[], float] = time.time,
        patience: float = PATIENCE,
    ) -> None:
        super().__init__(privacy=privacy, retention=retention, clock=clock)
        self._sa = optional("sqlalchemy")
        metadata = tables()
        self._events = metadata.tables["events"]
        self._words = Words(metadata.tables["words"], self._sa)
        self._engine = connect(where, patience)
        self._closed = False

    @property
    def _lite(self) -> bool:
        return bool(self._engine.dialect.name == "sqlite")

    def _append(self, events: list[Event]) -> None:
        with telling(self._engine, "written", _DROPPED), writing(self._engine) as connection:
            ids = self._words.numbers(connection, words_of(events))
            new = self._events.insert()
            if not self._lite:
                new = new.returning(self._events.c.id)  # many rows a round trip
            connection.execute(new, [to_row(event, ids) for event in events])
        self._words.remember(ids)

    def _where(self, connection: Any, where: Where) -> Any:
        known = {} if where.tenant is None else self._words.find(connection, [where.tenant])
        return conditions(self._sa, self._events, where, known)

    def read(self, where: Where = ALL) -> Iterator[Event]:
        """Yield events in order of time, a page at a time."""
        columns, after = self._events.c, None
        while True:
            with telling(self._engine, "read"), self._engine.begin() as connection:
                asked = self._sa.select(self._events).where(self._where(connection, where))
                if after is not None:
                    asked = asked.where(self._sa.tuple_(columns.time, columns.id) > self._sa.tuple_(*after))
                asked = asked.order_by(columns.time, columns.id).limit(PAGE)
                rows = connection.execute(asked).mappings().all()
                words = self._words.names(connection, (number for row in rows for number in words_in(row)))
            yield from (from_row(row, words) for row in rows)
            if len(rows) < PAGE:
                return
            after = rows[-1]["time"], rows[-1]["id"]

    def count(self, where: Where = ALL) -> int:
        """Return how many events there are."""
        with telling(self._engine, "read"), self._engine.begin() as connection:
            asked = self._sa.select(self._sa.func.count()).select_from(self._events)
            return int(connection.execute(asked.where(self._where(connection, where))).scalar())

    def used_bytes(self) -> int:
        """Return the bytes that events take: pages in use of SQLite's file; of Postgres, estimated from rows."""
        with telling(self._engine, "read"), self._engine.begin() as connection:
            return footprint(connection)

    def summarize(self, by: By = "all", where: Where = ALL, *, most: int | None = None) -> list[Summary]:
        """Return sums that the database makes."""
        checked(by)
        with telling(self._engine, "read"), self._engine.begin() as connection:
            meant = self._where(connection, where)
            rows = group_rows(self._sa, connection, self._events, by, meant, most)
            names = self._words.names(connection, {kind for _, kind, *_ in rows})
            if by in WORDS:
                names = self._words.names(connection, {value for value, *_ in rows})
                rows = [(names[value], *rest) for value, *rest in rows]
        return collect(((value, names[kind], *map(int, sums)) for value, kind, *sums in rows), by, most)

    def delete_owner(self, tenant: str, owner: bytes) -> int:
        """Delete all that is known of one who asked.

        SQLite's files hold none of it afterwards. Nor do those of Postgres, whose table is written anew, while nobody
        else can use it; its write-ahead log, replicas and backups follow their own rules.
        """
        deleted = 0
        meant = Where(tenant=tenant, owner=owner)
        while gone := self._delete(meant, BATCH):
            deleted += gone
        self._wipe()
        return deleted

    def delete_oldest(self, most: int, *, before: float | None = None) -> int:
        """Delete the oldest events, and give the room of SQLite's file back."""
        gone = self._delete(Where(until=before), most)
        if gone and self._lite:
            with telling(self._engine, "made smaller"), self._engine.connect() as connection:
                connection.connection.execute("PRAGMA incremental_vacuum").fetchall()
        return gone

    def _delete(self, where: Where, most: int) -> int:
        columns = self._events.c
        with telling(self._engine, "deleted from"), writing(self._engine) as connection:
            oldest = self._sa.select(columns.id).where(self._where(connection, where))
            oldest = oldest.order_by(columns.time, columns.id).limit(most)
            return int(connection.execute(self._events.delete().where(columns.id.in_(oldest))).rowcount)

    def _wipe(self) -> None:
        """Overwrite what deleted rows left in files."""
        with telling(self._engine, "wiped"):
            if not self._lite:
                with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    connection.connection.rollback()  # the pool's ping began a transaction
                    connection.exec_driver_sql("VACUUM (FULL, ANALYZE) events")  # a plain one leaves bytes in pages
                return
            with self._engine.connect() as connection:
                raw = connection.connection
                raw.execute("VACUUM")
                busy, *_ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StoreError(
                "a write-ahead log that others read, and that holds what was deleted",
                "a log that can be emptied",
                "delete once more when nobody reads",
            )

    def close(self) -> None:
        """Give connections back; SQLite's log goes into its file."""
        if not self._closed:
            self._closed = True
            self._engine.dispose()
