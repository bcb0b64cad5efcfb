"""Have one job made: its pictures computed, kept as files, and the store told how it ended."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ParamSpec, TypeVar

from ...errors import Error, InputError, QuotaError, StoreError
from ..control.dispatch import Dispatcher
from ..control.points import UNCACHED
from ..control.refusal import Refused
from ..control.run import Run
from ..control.shares import Owner
from ..jobs.files import ResultFiles
from ..jobs.record import Failure, JobRecord, Point, Result
from ..jobs.runs import JobRuns
from ..jobs.store import JobStore
from ..requests.answer import Account
from ..requests.failures import CODES
from ..requests.request import GenerationRequest
from ..workers.card import ModelCard
from ..workers.task import Picture
from ..workers.updates import Cancelled, Failed, Made, Progressed, Update
from .request_text import read_request
from .results import keep_film, keep_pictures
from .threads import in_thread
from .waiting import Place

log = logging.getLogger("evocache.serve")

PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds between tries to keep something while the database or the disk is away."""

NO_ROOM = Failure("no_room", "the server has no room for the result; delete jobs, and ask for it again")
FAULT = Failure("internal_error", "a fault of the server; it is logged there")

Given = ParamSpec("Given")
Kept = TypeVar("Kept")

Tell = Callable[[Run, Made], Account]
"""Makes the account of a run that is over."""


class JobMaker:
    """Makes jobs that this server has begun; used in one loop.

    Args:
        dispatcher: who has tasks made.
        store: of jobs.
        runs: of this server.
        files: of results.
        account: makes the account of a run.
        note: is told which share of a job is done.
        place: returns the place that a client holds who waits for a job.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        store: JobStore,
        runs: JobRuns,
        files: ResultFiles,
        account: Tell,
        note: Callable[[JobRecord, float], None],
        place: Callable[[str], Place | None],
    ) -> None:
        self._dispatcher, self._store, self._runs, self._files = dispatcher, store, runs, files
        self._account, self._note, self._place = account, note, place

    async def make(self, job: JobRecord) -> bool:
        """Make a job, and tell the store how it ended; its files stay only if it is done.

        Args:
            job: as `JobRuns.begin` returned it.

        Returns:
            Whether the database and the disk took it; if not, the job went back to the queue.
        """
        written, lost, done = False, True, list[bool]()
        try:
            asked = await self._patiently(self._read, job)
            made = await self._generate(job, asked)
            written = True
            result = await self._patiently(self._keep, job, asked, made)
            await self._patiently(lambda: done.append(self._finish(job, result)))
        except (_Stopped, Refused):  # somebody ended it, or the server ends; what is no longer its own stays as it is
            await self._tell(self._runs.release, job)
        except StoreError as error:
            log.error("a job goes back to the queue: %s", error)
            lost = bool(await self._tell(self._runs.release, job))  # if not, it may be done after all
            return False
        except Exception as error:
            await self._tell(self._runs.fail, job, _failure_of(error, written))
        finally:
            if written and lost and not any(done):
                await self._tell(self._files.discard, job)
        return True

    async def _patiently(self, change: Callable[Given, Kept], /, *arguments: Given.args, **named: Given.kwargs) -> Kept:
        """Try to keep something until the database and the disk are there again, for some seconds."""
        for pause in PAUSES:
            try:
                return await in_thread(change, *arguments, **named)
            except StoreError as error:
                log.warning("something of a job is to be kept again in %g seconds: %s", pause, error)
            await asyncio.sleep(pause)
        return await in_thread(change, *arguments, **named)

    async def _tell(
        self, change: Callable[Given, Kept], /, *arguments: Given.args, **named: Given.kwargs
    ) -> Kept | None:
        try:
            return await self._patiently(change, *arguments, **named)
        except StoreError as error:
            log.error("what became of a job could not be kept, so that it will run again: %s", error)
            return None

    def _read(self, job: JobRecord) -> GenerationRequest:
        return read_request(job.request, self._store.pictures(job.id))

    def _finish(self, job: JobRecord, result: Result) -> bool:
        """End a job with its result; whether it is done with this one."""
        if self._runs.finish(job, result):
            return True
        found = self._store.find(job.id)  # it may have been kept before, and the word of it was lost
        return found is not None and (found.state, found.attempts) == ("done", job.attempts)

    async def _generate(self, job: JobRecord, asked: GenerationRequest) -> list[tuple[Run, Made]]:
        """Have all pictures of a job made; if one fails the others end."""
        refuse_missing_loras(asked, self._dispatcher.cards[job.model])
        owner, place = Owner(job.tenant, job.owner, job.user), self._place(job.id)
        runs: list[Run] = []
        shares = [0.0] * asked.count

        def note(at: int, update: Update) -> None:
            if isinstance(update, Progressed) and update.steps:
                shares[at] = max(shares[at], update.step / update.steps)
                self._note(job, sum(shares) / len(shares))

        try:
            for at in range(asked.count):
                before = job.points[at].label if at in job.points else None
                left, ticket = (place.left, place.ticket) if place is not None else (None, None)
                wished = replace(asked.point_wishes, deadline=left, durable=True, point=before)
                task = asked.task(f"gen_{secrets.token_hex(16)}", job.seed + at)
                runs.append(self._dispatcher.submit(task, wished, owner, ticket))
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
                if await self._patiently(self._runs.choose, job, point, at) is None:
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


def refuse_missing_loras(asked: GenerationRequest, card: ModelCard) -> None:
    """Refuse a job whose LoRAs were registered when it was promised, and are not any more.

    Raises:
        InputError: if it has some.
    """
    known = [lora.name for lora in card.loras]
    missing = sorted(asked.loras.keys() - {*known})
    if missing:
        given = f"LoRA {missing[0]!r} of {card.name}, which the server has no more"
        raise InputError(given, f"one of {', '.join(known)}" if known else "none", "register it, and ask again")


class _Stopped(Exception):  # noqa: N818
    """A run was cancelled."""


class _Failure(Exception):  # noqa: N818
    """A run failed."""

    def __init__(self, failed: Failed) -> None:
        self.failed = failed
        super().__init__(failed.text)


def _failure_of(error: Exception, written: bool) -> Failure:
    """Return what a job's owner is told: of what was asked for all, of the server's insides nothing."""
    if isinstance(error, _Failure):
        return Failure(CODES[error.failed.reason], error.failed.text)
    if isinstance(error, QuotaError):
        return NO_ROOM
    if isinstance(error, Error) and not written:
        return Failure("invalid_value", str(error))
    log.error("a job failed by a fault of the server", exc_info=error)
    return FAULT
