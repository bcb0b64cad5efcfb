"""What is left of plain calls: that there was one, and how it ended; nothing of what was asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ...errors import JobError, short
from ..database.database import Database
from .record import is_id
from .runs import JobRuns
from .states import CallState


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A plain call, which ends with its client or its server, and is not run again.

    Attributes:
        id: of `new_id("picture")`.
        tenant: whose key it was.
        owner: who asked.
        created: when it came, in seconds since 1970.
        state: what became of it; `interrupted` if its server died first.
        ended: when it was over.
    """

    id: str
    tenant: str
    owner: str
    created: float
    state: CallState = "running"
    ended: float | None = None


class Calls:
    """Keeps plain calls of a server. Nothing waits for it: write many at a time, beside the calls.

    Args:
        database: where.
        runs: of the server; its calls that are still running are interrupted where it dies.
    """

    def __init__(self, database: Database, runs: JobRuns) -> None:
        self._database, self._sa, self._server = database, database.sa, runs.server
        self._calls = database.tables["calls"]

    def note(self, calls: Iterable[Call]) -> None:
        """Keep calls as they are now; one that was over stays so.

        Raises:
            JobError: if an id is none.
            StoreError: if the database is away, locked or full; then none is kept.
        """
        rows = [{**asdict(call), "server": self._server} for call in calls]
        for row in rows:
            if not is_id(row["id"]):
                raise JobError(f"the id {short(row['id'])} of a call", "one of new_id", 'call new_id("picture")')
        if not rows:
            return
        with self._database.writing() as connection:
            kinds = self._sa.dialects
            kind = kinds.postgresql if connection.dialect.name == "postgresql" else kinds.sqlite
            new = kind.insert(self._calls)
            change = {"state": new.excluded.state, "ended": new.excluded.ended}
            running: Any = self._calls.c.state == "running"
            connection.execute(new.on_conflict_do_update(index_elements=["id"], set_=change, where=running), rows)

    def get(self, id: str, tenant: str, owner: str) -> Call | None:
        """Return what is left of a call; None if its owner had no such one."""
        if not is_id(id):
            return None
        columns = self._calls.c
        names = ("id", "tenant", "owner", "created", "state", "ended")
        asked = self._sa.select(*(columns[name] for name in names))
        asked = asked.where(columns.id == id, columns.tenant == tenant, columns.owner == owner)
        with self._database.reading() as connection:
            row = connection.execute(asked).mappings().first()
        return None if row is None else Call(**row)

    def forget(self, before: float) -> int:
        """Delete calls that came before a time, but for running ones; return how many there were."""
        columns = self._calls.c
        gone = self._calls.delete().where(columns.created < before, columns.state != "running")
        with self._database.writing() as connection:
            return int(connection.execute(gone).rowcount)
