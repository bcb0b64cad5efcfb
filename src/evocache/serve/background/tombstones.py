"""What is left of plain calls: that there was one, and how it ended; no call waits for it to be kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ..jobs.calls import Call, Calls
from ..jobs.record import new_id
from ..requests.identity import Identity
from .loops import going_on

PAUSE = 0.5
"""Seconds between two times that calls are written: of a server that dies, later ones are forgotten."""

MOST = 10_000
"""Calls that may wait to be written; while the database is away, the oldest are forgotten."""


class Tombstones:
    """Notes plain calls as they come and end; used in one loop.

    Args:
        calls: where they are kept.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._waiting: dict[str, Call] = {}
        self._writing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._writing = asyncio.create_task(self._write())

    @contextmanager
    def call(self, who: Identity) -> Iterator[str]:
        """Note a call for as long as the block runs, and how the block ends; gives the id that it is known by."""
        call = Call(id=new_id("picture"), tenant=who.tenant, owner=who.key, created=time.time())
        self._note(call)
        try:
            yield call.id
        except asyncio.CancelledError:
            self._note(replace(call, state="cancelled", ended=time.time()))
            raise
        except BaseException:
            self._note(replace(call, state="failed", ended=time.time()))
            raise
        self._note(replace(call, state="done", ended=time.time()))

    async def get(self, id: str, who: Identity) -> Call | None:
        """Return what is left of a call; None if who asks had no such one."""
        waiting = self._waiting.get(id)
        if waiting is not None:
            return waiting if (waiting.tenant, waiting.owner) == (who.tenant, who.key) else None
        return await asyncio.to_thread(self._calls.get, id, who.tenant, who.key)

    async def close(self) -> None:
        """Write what waits, and end."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        await self._flush()

    def _note(self, call: Call) -> None:
        self._waiting.pop(call.id, None)
        self._waiting[call.id] = call
        if len(self._waiting) > MOST:
            del self._waiting[next(iter(self._waiting))]

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(PAUSE)
            await self._flush()

    async def _flush(self) -> None:
        calls = list(self._waiting.values())
        if not calls:
            return
        with going_on("what is left of calls cannot be kept now"):
            await asyncio.to_thread(self._calls.note, calls)
            for call in calls:
                if self._waiting.get(call.id) is call:
                    del self._waiting[call.id]
