"""Videos and pictures that are promised: kept before they are acknowledged, run, looked at, deleted."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from ...errors import JobError
from ..control.dispatch import Dispatcher
from ..control.ticket import Ticket
from ..database.database import Database
from ..database.place import url_of
from ..jobs.calls import Calls
from ..jobs.files import ResultFiles
from ..jobs.record import JobRecord, Kind, new_id
from ..jobs.retention import HOUR, Retention, RoomLimits
from ..jobs.runs import LEASE, JobRuns
from ..jobs.store import JobStore
from ..requests.identity import Identity
from ..requests.request import GenerationRequest
from .attempt import AnswerJob, TellJob
from .charges import Charges
from .loops import going_on
from .new_records import new_record
from .reader import JobReader
from .request_text import write_pictures
from .runner import JobRunner
from .threads import in_thread, to_its_end
from .tombstones import Tombstones
from .waiting import WaitingClients, wait_for

log = logging.getLogger("evocache.serve")

SWEEP = 60.0
"""Seconds between two looks for results whose time is over."""

JOB_POLL = 1.0
"""Seconds after which a client that waits looks again whether its job is over, which another server may run."""


class Background(JobReader):
    """Jobs of a server, as those see them who ask for them.

    Its methods that touch the disk are coroutines, whose work is done by threads.

    Args:
        dispatcher: who has tasks made.
        answer: answers what was promised.
        tell: is told of jobs that are over.
        draw_seed: returns the seed of a request's first picture.
        forget: forgets what is stored of a request, by the seed of its first picture.
        folder: for the database and results; None keeps both in a folder that goes at the end.
        url: of a Postgres database in place of a file of SQLite in the folder.
        keep: seconds that a result is kept.
        room: how much of it results have.
        lease: seconds that a server may be silent before others take over its jobs.

    Attributes:
        tombstones: what is left of plain calls.

    Raises:
        StoreError: if the database or the folder cannot be opened.
        DependencyError: if the extra `[serve]` is not installed.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        answer: AnswerJob,
        tell: TellJob,
        draw_seed: Callable[[GenerationRequest, Identity], int],
        forget: Callable[[GenerationRequest, Identity, int], Awaitable[None]],
        folder: Path | None,
        url: str | None = None,
        *,
        keep: float | None = 86400.0,
        room: RoomLimits | None = None,
        lease: float = LEASE,
    ) -> None:
        self._own = tempfile.TemporaryDirectory(prefix="evocache-") if folder is None else None
        place = Path(self._own.name) if self._own is not None else folder
        assert place is not None
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._began = time.time()
        self._dispatcher = dispatcher
        self._database = Database(url_of(place, url))
        super().__init__(JobStore(self._database, keep=keep), ResultFiles(place / "results"))
        self._runs = JobRuns(self._store, self._database, lease=lease)
        calls = Calls(self._database, self._runs)
        self._retention = Retention(self._store, self._database, self._files, calls, room)
        self.tombstones = Tombstones(calls)
        self._waiting, self._charges = WaitingClients(), Charges()
        self._draw_seed, self._forget = draw_seed, forget
        self._runner = JobRunner(
            dispatcher, self._store, self._runs, self._files, answer, tell, self._waiting, self._charges
        )
        self._sweeping: asyncio.Task[None] | None = None

    @property
    def database(self) -> Database:
        """The server's database, which is closed with this."""
        return self._database

    async def start(self) -> None:
        """Take up what a server that died had begun, and begin to run jobs."""
        recovered = await asyncio.to_thread(self._runs.recover)
        if recovered.queued or recovered.failed:
            again, failed = len(recovered.queued), len(recovered.failed)
            log.warning("of jobs that a server had begun that died, %d run again, and %d failed", again, failed)
        before = self._began if self._runs.first else self._began - HOUR
        await asyncio.to_thread(self._retention.sweep_files, before)
        self._runner.start()
        self.tombstones.start()
        self._sweeping = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """Run no more jobs, and put what is not over back to the queue."""
        async with AsyncExitStack() as steps:
            steps.push_async_callback(self._runner.close)
            steps.push_async_callback(self.tombstones.close)
            if self._sweeping is not None:
                self._sweeping.cancel()
                await asyncio.gather(self._sweeping, return_exceptions=True)

    async def close(self) -> None:
        """Close the database, once jobs have stopped."""
        await asyncio.to_thread(self._database.close)
        if self._own is not None:
            await asyncio.to_thread(self._own.cleanup)

    async def add(
        self, asked: GenerationRequest, who: Identity, kind: Kind, remixed_from: str | None = None
    ) -> JobRecord:
        """Promise a job: it is durable when this returns.

        Args:
            asked: what is asked for, which fits its model.
            who: who asks.
            kind: what it makes.
            remixed_from: id of the job that it is made from.

        Raises:
            Refused: if too much waits.
            QuotaError: if there is no room for its result.
            FrontError: if no point of the model's front meets its wishes.
            StoreError: if the database is away, locked or full.
        """
        id = new_id(kind)
        with self._enter(asked, who) as ticket:
            self._charges.add(id, ticket.demand)  # before another look at the queue finds it
            record = await self._keep(id, asked, who, kind, remixed_from)
            ticket.keep()
        self._runner.wake()
        return record

    @asynccontextmanager
    async def hold(self, asked: GenerationRequest, who: Identity, kind: Kind) -> AsyncIterator[JobRecord]:
        """Promise a job whose client waits for it, and hold its place at the door while the block runs.

        Args:
            asked: what is asked for, which fits its model; its deadline is when the client leaves.
            who: who asks.
            kind: what it makes.

        Raises:
            Refused: if too much waits, or it cannot be over by the deadline; and as `add`.
        """
        id = new_id(kind)
        with self._enter(asked, who) as ticket, self._waiting.hold(id, ticket):
            self._charges.add(id, ticket.demand)
            record = await self._keep(id, asked, who, kind)
            self._runner.wake()
            try:
                yield record
            finally:
                ticket.keep()  # it was promised: what is charged stays so, unless it was deleted

    def _enter(self, asked: GenerationRequest, who: Identity) -> Ticket:
        wishes = replace(asked.point_wishes, durable=True)
        task = asked.task(seed=asked.seed or 0)
        owner = who.as_owner()
        return self._dispatcher.enter(task, wishes, owner, count=asked.count, bytes=asked.bytes)

    async def _keep(
        self, id: str, asked: GenerationRequest, who: Identity, kind: Kind, remixed_from: str | None = None
    ) -> JobRecord:
        """Write a job down; if it is cancelled, nothing of the job is left."""
        card, seed = self._dispatcher.cards[asked.model], self._draw_seed(asked, who)

        def keep() -> JobRecord:
            pictures = write_pictures(asked.pictures)
            record = new_record(id, kind, asked, who, card, seed, pictures, remixed_from)
            self._retention.add(record, pictures)
            return record

        try:
            return await in_thread(keep)
        except asyncio.CancelledError:  # who asked left, and was never told of it
            await to_its_end(self.delete(id, who))
            raise

    async def wait(self, id: str, who: Identity) -> JobRecord | None:
        """Wait until a job is over, whichever server runs it.

        Returns:
            The job, which is still open if this server begins nothing any more; None if it was deleted.
        """
        with self._waiting.event_of(id) as told:
            while True:
                told.clear()
                here = self._runner.makes(id)
                job = await self.get(id, who)
                if job is None or not job.open or (not self._dispatcher.open and not here):
                    return job
                await wait_for(told, JOB_POLL)

    def end_waits(self) -> None:
        """Have clients wait only for what this server makes already; called as the server begins to end."""
        self._waiting.tell_all()

    def progress(self, job: JobRecord) -> int:
        """Return how far a job is, of 100."""
        return self._runner.progress(job)

    async def delete(self, id: str, who: Identity) -> JobRecord | None:
        """Delete a job and what it made, in the cache of results too; one that runs is ended.

        Returns:
            The job as it was; None if who asks has no such one.
        """
        asked = await self._begun(id, who)
        record = await asyncio.to_thread(self._retention.delete, id, who.tenant, who.key)
        if record is not None:
            self._runner.stop(id)
            self._charges.close(id)
            self._waiting.leave(id)
            self._waiting.tell(id)
            if asked is not None:
                with going_on("what is stored of a job that was deleted could not be forgotten"):
                    await self._forget(asked, record.who, record.seed)
        return record

    async def _begun(self, id: str, who: Identity) -> GenerationRequest | None:
        """What a job asks for of which something may be stored; None if there is none."""
        job = await self.get(id, who)
        with suppress(JobError):
            return None if job is None or not (job.points or job.result) else await self.request(job)
        return None

    async def _sweep(self) -> None:
        while True:
            with going_on("old results cannot be deleted now"):
                await asyncio.to_thread(self._retention.sweep)
            await asyncio.sleep(SWEEP)
