"""Jobs as they are read: rows of the store, what was asked for, and files of results."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from ..jobs.files import ResultFiles
from ..jobs.listing import Order, Page
from ..jobs.record import JobRecord, Kind
from ..jobs.store import JobStore
from ..requests.identity import Identity
from ..requests.request import GenerationRequest
from .request_text import read_request


class JobReader:
    """Reads jobs; its methods are coroutines, whose work is done by threads.

    Args:
        store: of jobs.
        files: of results.
    """

    def __init__(self, store: JobStore, files: ResultFiles) -> None:
        self._store, self._files = store, files

    async def get(self, id: str, who: Identity) -> JobRecord | None:
        """Return a job; None if who asks has no such one."""
        return await asyncio.to_thread(self._store.get, id, who.tenant, who.key)

    async def find(self, id: str) -> JobRecord | None:
        """Return a job of whoever; for links, which were signed for its owner."""
        return await asyncio.to_thread(self._store.find, id)

    async def list(self, who: Identity, kind: Kind, after: str | None, limit: int, order: Order) -> Page:
        """Return a page of jobs.

        Raises:
            JobError: if the limit is none, or `after` no job of who asks.
        """
        return await asyncio.to_thread(
            self._store.list, who.tenant, who.key, kind, after=after, limit=limit, order=order
        )

    async def count(self) -> dict[str, int]:
        """Return how many jobs of all owners there are, by state."""
        return await asyncio.to_thread(self._store.count)

    async def request(self, job: JobRecord) -> GenerationRequest:
        """Return what was asked for, with its pictures.

        Raises:
            JobError: if this evocache cannot read it.
        """
        return await asyncio.to_thread(lambda: read_request(job.request, self._store.pictures(job.id)))

    async def file(self, job: JobRecord, variant: str) -> tuple[Path, os.stat_result]:
        """Return the file of a part of a job's result, and what the disk says of it.

        Raises:
            JobError: if it has no such part.
            StoreError, FileNotFoundError: if the file is gone.
        """

        def find() -> tuple[Path, os.stat_result]:
            path = self._files.path(job, variant)
            return path, path.stat()

        return await asyncio.to_thread(find)

    async def contents(self, job: JobRecord) -> tuple[bytes, ...]:
        """Return the bytes of each file of a job's result.

        Raises:
            StoreError: if one is gone.
        """
        files = () if job.result is None else job.result.files
        return await asyncio.to_thread(lambda: tuple(self._files.read(job, file.variant) for file in files))
