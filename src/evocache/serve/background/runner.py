"""Begin jobs in their turn, follow those that this server has begun, and stop what is no longer its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

from ..control.dispatch import Dispatcher
from ..jobs.files import ResultFiles
from ..jobs.record import JobRecord
from ..jobs.runs import JobRuns
from ..jobs.store import JobStore, QueuedJob
from .attempt import AnswerJob, TellJob
from .charges import Charges
from .loops import going_on
from .making import JobMaker
from .threads import in_thread
from .waiting import WaitingClients, wait_for

AHEAD = 32
"""Jobs that a server has begun, are not over, and no client waits for; others are left to the database's servers."""

QUEUE_POLL = 2.0
"""Seconds after which it is looked whether another server left something to do."""

REST = 15.0
"""Seconds for which no job is begun after one could not be kept."""

PROGRESS = 2.0
"""Seconds between two times that progress is kept."""

WRITING = 10.0
"""Seconds that results which are made may take to be written when the server ends."""


class JobRunner:
    """Runs the jobs of a store; used in one loop.

    A job that this server began is its own until it has ended, however often its worker dies. When the server ends in
    good order, what is not over goes back to the queue, and runs again with the same seeds and points.

    Args:
        dispatcher: who has tasks made.
        store: of jobs.
        runs: of this server.
        files: of results.
        answer: answers what was promised.
        tell: is told of jobs that are over.
        waiting: clients that wait for jobs.
        charges: what was charged for jobs.
        ahead: most jobs that are begun at a time beside those that clients of this server wait for.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        store: JobStore,
        runs: JobRuns,
        files: ResultFiles,
        answer: AnswerJob,
        tell: TellJob,
        waiting: WaitingClients,
        charges: Charges,
        *,
        ahead: int = AHEAD,
    ) -> None:
        self._dispatcher, self._store, self._runs, self._ahead = dispatcher, store, runs, ahead
        self._maker = JobMaker(dispatcher, store, runs, files, answer, tell, self._step, waiting.place, charges)
        self._waiting = waiting
        self._making: dict[str, asyncio.Task[None]] = {}
        self._owners: dict[str, tuple[str, str]] = {}
        self._moving: set[str] = set()
        """Ids of jobs that are being begun or given back."""
        self._resting = 0.0
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._steps: dict[str, tuple[JobRecord, float]] = {}

    def start(self) -> None:
        """Begin to run jobs."""
        self._tasks = [asyncio.create_task(loop()) for loop in (self._run, self._beat, self._keep_progress)]

    def wake(self) -> None:
        """Look for jobs now: one was added."""
        self._wake.set()

    def stop(self, id: str) -> None:
        """End a job that this server runs and that its owner deleted."""
        if id in self._making:
            self._making[id].cancel()

    def makes(self, id: str) -> bool:
        """Return whether a job is being made by this server, or being begun."""
        return id in self._making or id in self._moving

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
            with going_on("jobs cannot be begun now"):
                await self._begin_waiting()
            await wait_for(self._wake, QUEUE_POLL)

    async def _begin_waiting(self) -> None:
        await self._begin_awaited()
        if not self._may_begin() or self._full:
            return
        served = frozenset(self._dispatcher.cards)
        for job in self._in_turn(await asyncio.to_thread(self._store.waiting, self._ahead, served)):
            if not self._may_begin() or self._full:
                return
            if not self.makes(job.id):
                await self._begin(job)

    async def _begin_awaited(self) -> None:
        """Begin jobs that clients wait for: they have places at the door, as plain calls do."""
        ids = [id for id in self._waiting.ids() if not self.makes(id)]
        if not ids or not self._may_begin():
            return
        for job in await asyncio.to_thread(self._store.waiting, len(ids), ids=ids):
            if self._may_begin() and not self.makes(job.id):
                await self._begin(job)

    def _may_begin(self) -> bool:
        return asyncio.get_running_loop().time() >= self._resting and self._dispatcher.ready

    @property
    def _full(self) -> bool:
        """Whether it has begun as many jobs that nobody waits for as it may."""
        return sum(self._waiting.place(id) is None for id in self._making) >= self._ahead

    def _in_turn(self, jobs: Iterable[QueuedJob]) -> list[QueuedJob]:
        """Return jobs in the order in which they are begun: who has fewer that were begun goes first."""
        had, turns = Counter(self._owners.values()), list[tuple[int, QueuedJob]]()
        for job in jobs:
            turns.append((had[job.tenant, job.owner], job))
            had[job.tenant, job.owner] += 1
        return [job for _, job in sorted(turns, key=lambda turn: turn[0])]

    async def _begin(self, job: QueuedJob) -> None:
        self._moving.add(job.id)
        try:
            begun = await in_thread(self._runs.begin, job.id)
            if begun is not None:
                self._owners[job.id] = job.tenant, job.owner
                making = self._making[job.id] = asyncio.create_task(self._make(begun))
                making.add_done_callback(lambda _: self._over(job.id))
        finally:
            self._moving.discard(job.id)

    async def _make(self, job: JobRecord) -> None:
        if not await self._maker.make(job):
            self._resting = asyncio.get_running_loop().time() + REST

    def _step(self, job: JobRecord, share: float) -> None:
        self._steps[job.id] = job, share

    def _over(self, id: str) -> None:
        for known in (self._making, self._owners, self._steps):
            known.pop(id, None)
        self._waiting.tell(id)
        self._wake.set()

    async def _beat(self) -> None:
        """Say that this server lives, stop what is no longer its own, and give back what is, but is not made."""
        while True:
            await asyncio.sleep(self._runs.lease / 3)
            making, moving = {**self._making}, {*self._moving}
            with going_on("the database cannot be told that this server lives"):
                mine = await asyncio.to_thread(self._runs.heartbeat)
                for id in making.keys() - mine:
                    making[id].cancel()
                await self._give_back(mine - making.keys() - moving - self._making.keys() - self._moving)
                if (await asyncio.to_thread(self._runs.recover)).queued:
                    self._wake.set()

    async def _give_back(self, ids: frozenset[str]) -> None:
        """Put jobs back into the queue that nobody makes, since what became of them could not be kept."""
        if not ids:
            return
        self._moving |= ids
        try:
            await in_thread(self._runs.give_back, ids)
        finally:
            self._moving -= ids
        self._wake.set()

    async def _keep_progress(self) -> None:
        """Keep how far jobs are, now and then, for other servers and for who asks after this one has died."""
        told: dict[str, int] = {}
        while True:
            await asyncio.sleep(PROGRESS)
            now = {id: (job, int(100 * share)) for id, (job, share) in self._steps.items()}
            told = {id: percent for id, percent in told.items() if id in now}
            for id, (job, percent) in now.items():
                if percent > told.get(id, 0):
                    told[id] = percent
                    with going_on("how far a job is could not be kept"):
                        await asyncio.to_thread(self._runs.progress, job, min(99, percent))
