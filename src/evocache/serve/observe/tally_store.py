"""Sums by key, day and model in the server's database; several servers add to the same."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import fields
from typing import Any

from ...errors import StoreError
from ...extras import optional
from ..database.database import Database
from .tallies import Place, Tallies, Tally

log = logging.getLogger("evocache.serve")

KEEP_DAYS = 400
"""Days that sums are kept."""

WRITE = 5.0
"""Seconds between two writes: that much is lost where the process is killed."""

_SUMS = tuple(one.name for one in fields(Tally))


class TallyStore:
    """Keeps sums. Every method raises `StoreError` if the database is away, locked or full.

    Args:
        database: where; it is not closed with the store.
    """

    def __init__(self, database: Database) -> None:
        self._database, self._sa, self._table = database, database.sa, database.tables["key_usage"]

    def add(self, sums: Iterable[tuple[Place, Tally]], today: int) -> None:
        """Add sums to what is kept, and delete what is too old; all or nothing."""
        rows = [{**place._asdict(), **vars(one)} for place, one in sums]
        columns = self._table.c
        with self._database.writing() as connection:
            if rows:
                insert = optional(f"sqlalchemy.dialects.{connection.dialect.name}").insert(self._table)
                more = {name: columns[name] + insert.excluded[name] for name in _SUMS}
                connection.execute(insert.on_conflict_do_update(index_elements=Place._fields, set_=more), rows)
            connection.execute(self._table.delete().where(columns.day < today - KEEP_DAYS))

    def read(self, tenant: str, key: str, since: int) -> list[tuple[Place, Tally]]:
        """Return the sums of a key from a day on, in order of days and models."""
        columns = self._table.c
        asked = self._sa.select(self._table).where(columns.tenant == tenant, columns.key == key, columns.day >= since)
        with self._database.reading() as connection:
            found = connection.execute(asked.order_by(columns.day, columns.model)).mappings().all()
        return [(Place(*(row[name] for name in Place._fields)), _tally(row)) for row in found]


class TallyBook:
    """Sums in memory and, where there is a database, written to it every few seconds; used in one loop.

    Args:
        store: where they are written; None keeps them in memory.
        tallies: that are not written yet.
        every: seconds between two writes.
    """

    def __init__(self, store: TallyStore | None, tallies: Tallies | None = None, every: float = WRITE) -> None:
        self.tallies = tallies or Tallies()
        self._store, self._every = store, every
        self._writing: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    def start(self) -> None:
        """Begin to write."""
        if self._store is not None:
            self._writing = asyncio.create_task(self._write_on())

    async def close(self) -> None:
        """Write what is left."""
        if self._writing is not None:
            self._writing.cancel()
            with suppress(asyncio.CancelledError):
                await self._writing
            self._writing = None
        await self.write()

    async def write(self) -> None:
        """Write what is not written yet; where that fails it is tried again with the next."""
        if self._store is None:
            return
        async with self._turn:
            sums = self.tallies.take()
            if not sums:
                return
            try:
                await asyncio.to_thread(self._store.add, sums, self.tallies.today)
            except StoreError as error:
                self.tallies.put_back(sums)
                log.error("sums of usage cannot be written now: %s", error)

    async def read(self, tenant: str, key: str, days: int) -> list[tuple[Place, Tally]]:
        """Return the sums of a key of the last so many days, today's included, in order of days and models.

        Raises:
            StoreError: if the database cannot be read.
        """
        since = self.tallies.today - days + 1
        async with self._turn:  # what is being written is neither here nor there
            stored = [] if self._store is None else await asyncio.to_thread(self._store.read, tenant, key, since)
            waiting = self.tallies.of(tenant, key)
        merged: dict[Place, Tally] = dict(stored)
        for place, one in waiting:
            if place.day >= since:
                merged.setdefault(place, Tally()).add(one)
        return sorted(merged.items(), key=lambda item: item[0])

    async def _write_on(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            await asyncio.shield(self.write())


def _tally(row: Any) -> Tally:
    return Tally(**{name: row[name] for name in _SUMS})
