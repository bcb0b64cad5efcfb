"""Have jobs made: begun in their turn, followed to their end, and the store told of it."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ...errors import Error, QuotaError, StoreError
from ..control.dispatch import Dispatcher
from ..control.points import UNCACHED, Wishes
from ..control.run import Run
from ..control.shares import Owner
from ..jobs.files import ResultFiles
from ..jobs.record import Failure, JobRecord, Point, Result
from ..jobs.runs import JobRuns
from ..jobs.store import JobStore
from ..requests.answer import Account
from ..requests.request import GenerationRequest
from ..workers.task import Picture, Task
from ..workers.updates import Cancelled, Failed, Made, Progressed, Update
from .request_text import read_request
from .results import keep_film, keep_pictures

log = logging.getLogger("evocache.serve")

Kept = TypeVar("Kept")

AHEAD = 32
"""Jobs that a server has begun and are not over; others are left to other servers on the database."""

LOOK = 2.0
"""Seconds after which it is looked whether another server left something to do."""

NOTE = 2.0
"""Seconds between two times that progress is kept."""

WRITING = 10.0
"""Seconds that results which are made may take to be written when the server ends."""

CODES = {
    "input": "invalid_value",
    "memory": "too_much_memory",
    "worker": "worker_lost",
    "pipeline": "generation_failed",
}
"""Codes of failures by whose fault they were."""

Tell = Callable[[Run, Made], Account]
"""Makes the account of a run that is over."""


class JobRunner:
    """Runs the jobs of a store; used in one loop.

    A job that this server began is its own until it has ended, however often its worker dies. When the server ends in
    good order, what is not over goes back to the queue, and runs again with the same seeds and points.

    Args:
        dispatcher: who has tasks made.
        store: of jobs.
        runs: of this server.
        files: of results.
        account: makes the account of a run.
        ahead: most jobs that are begun at a time.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        store: JobStore,
        runs: JobRuns,
        files: ResultFiles,
        account: Tell,
        *,
        ahead: int = AHEAD,
    ) -> None:
        self._dispatcher, self._store, self._runs, self._files = dispatcher, store, runs, files
        self._account, self._ahead = account, ahead
        self._making: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._steps: dict[str, tuple[JobRecord, float]] = {}

    def start(self) -> None:
        """Begin to run jobs."""
        self._tasks = [asyncio.create_task(loop()) for loop in (self._run, self._beat, self._note)]

    def wake(self) -> None:
        """Look for jobs now: one was added."""
        self._wake.set()

    def stop(self, id: str) -> None:
        """End a job that this server runs and that its owner cancelled or deleted."""
        if id in self._making:
            self._making[id].cancel()

    async def wait(self, id: str, seconds: float) -> None:
        """Wait until this server has ended a job, or so many seconds."""
        making = self._making.get(id)
        if making is None:
            await asyncio.sleep(seconds / 10)
        else:
            await asyncio.wait({making}, timeout=seconds)

    def progress(self, job: JobRecord) -> int:
        """Return the progress of a job, of 100, as this server knows it, else as the store does."""
        share = self._steps[job.id][1] if job.id in self._steps else 0.0
        return max(job.progress, min(99, int(100 * share)))

    async def close(self) -> None:
        """Begin no more jobs, keep what has been made, and put what is not over back to the queue."""
        for task in self._tasks:
            task.cancel()
        making = [*self._making.values()]
        if making and self._dispatcher.draining:  # their runs are over: what was made is written
            await asyncio.wait(making, timeout=WRITING)
        for task in making:
            task.cancel()
        await asyncio.gather(*self._tasks, *making, return_exceptions=True)
        await asyncio.to_thread(self._runs.close)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._begin_waiting()
            except StoreError as error:
                log.error("jobs cannot be read now: %s", error)
            await _wait(self._wake, LOOK)

    async def _begin_waiting(self) -> None:
        if not self._dispatcher.ready:
            return
        for job in await asyncio.to_thread(self._store.waiting, self._ahead):
            if len(self._making) >= self._ahead:
                return
            if job.model not in self._dispatcher.cards or job.id in self._making:
                continue
            begun = await asyncio.to_thread(self._runs.begin, job.id)
            if begun is not None:
                making = asyncio.create_task(self._make(begun))
                self._making[job.id] = making
                making.add_done_callback(lambda _, id=job.id: self._over(id))  # type: ignore[misc]

    def _over(self, id: str) -> None:
        self._making.pop(id, None)
        self._steps.pop(id, None)
        self._wake.set()

    async def _beat(self) -> None:
        """Say that this server lives, and stop what is no longer its own."""
        while True:
            await asyncio.sleep(self._runs.lease / 3)
            try:
                mine = await asyncio.to_thread(self._runs.heartbeat)
                recovered = await asyncio.to_thread(self._runs.recover)
            except StoreError as error:
                log.error("the database cannot be told that this server lives: %s", error)
                continue
            for id in [id for id in self._making if id not in mine]:
                self._making[id].cancel()
            if recovered.queued:
                self._wake.set()

    async def _note(self) -> None:
        """Keep how far jobs are, now and then, for other servers and for who asks after this one has died."""
        told: dict[str, int] = {}
        while True:
            await asyncio.sleep(NOTE)
            now = {id: (job, int(100 * share)) for id, (job, share) in self._steps.items()}
            told = {id: percent for id, percent in told.items() if id in now}
            for id, (job, percent) in now.items():
                if percent > told.get(id, 0):
                    told[id] = percent
                    await self._tell(self._runs.progress, job, min(99, percent))

    async def _make(self, job: JobRecord) -> None:
        try:
            asked = read_request(job.request)
            made = await self._generate(job, asked)
            result = await asyncio.to_thread(self._keep, job, asked, made)
            if not await asyncio.to_thread(self._runs.finish, job, result):
                await asyncio.to_thread(self._files.discard, job)
        except asyncio.CancelledError:
            raise
        except _Stopped:
            if self._dispatcher.draining:
                await self._tell(self._runs.release, job)
        except _Failure as error:
            await self._tell(self._runs.fail, job, Failure(CODES[error.failed.reason], error.failed.text))
        except QuotaError as error:
            await self._tell(self._runs.fail, job, Failure("no_room", str(error)))
        except Error as error:
            await self._tell(self._runs.fail, job, Failure("invalid_value", str(error)))
        except Exception:
            log.exception("a job failed by a fault of the server")
            await self._tell(
                self._runs.fail, job, Failure("internal_error", "a fault of the server; it is logged there")
            )

    async def _tell(self, change: Callable[..., Any], *arguments: Any) -> None:
        try:
            await asyncio.to_thread(change, *arguments)
        except StoreError as error:
            log.error("what became of a job could not be kept, so that it will run again: %s", error)

    async def _generate(self, job: JobRecord, asked: GenerationRequest) -> list[tuple[Run, Made]]:
        """Have all pictures of a job made; if one fails the others end."""
        card = self._dispatcher.cards[job.model]
        owner = Owner(job.tenant, job.owner, job.user)
        runs = []
        for at in range(asked.count):
            before = job.points[at].label if at in job.points else None
            wished = Wishes(asked.wishes.speedup, asked.wishes.quality, durable=True, point=before)
            task = Task(f"gen_{secrets.token_hex(16)}", card.name, asked.arguments, job.seed + at, asked.pictures)
            runs.append(self._dispatcher.submit(task, wished, owner))
        shares = [0.0] * len(runs)

        def note(at: int, update: Update) -> None:
            if isinstance(update, Progressed) and update.steps:
                shares[at] = max(shares[at], update.step / update.steps)
                self._steps[job.id] = (job, sum(shares) / len(shares))

        try:
            return await asyncio.gather(*(self._follow(job, at, run, note) for at, run in enumerate(runs)))
        finally:
            for run in runs:
                run.cancel()

    async def _follow(self, job: JobRecord, at: int, run: Run, note: Callable[[int, Update], None]) -> tuple[Run, Made]:
        chosen = False
        async for update in run:
            if isinstance(update, Made):
                return run, update
            if isinstance(update, Failed):
                raise _Failure(update)
            if isinstance(update, Cancelled):
                raise _Stopped
            note(at, update)
            if not chosen:
                chosen = True
                point = Point(None, UNCACHED) if run.point is None else Point(run.point.index, run.point.label)
                if await asyncio.to_thread(self._runs.choose, job, point, at) is None:
                    raise _Stopped
        raise AssertionError("a run without an end")

    def _keep(self, job: JobRecord, asked: GenerationRequest, made: Sequence[tuple[Run, Made]]) -> Result:
        pictures: list[Picture] = [one.picture for _, one in made]
        if job.kind == "video":
            files = keep_film(self._files, job, pictures[0], made[0][0].card.frames_per_second)
        else:
            files = keep_pictures(self._files, job, pictures)
        accounts = [self._account(run, one).as_json() for run, one in made]
        return Result(files, json.dumps({"pictures": accounts}))


class _Stopped(Exception):  # noqa: N818
    """A run was cancelled."""


class _Failure(Exception):  # noqa: N818
    """A run failed."""

    def __init__(self, failed: Failed) -> None:
        self.failed = failed
        super().__init__(failed.text)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except (asyncio.TimeoutError, TimeoutError):
        return
