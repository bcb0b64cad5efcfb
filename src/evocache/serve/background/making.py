"""Have one job made: its pictures computed, kept as files, and the store told how it ended."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import ParamSpec, TypeVar

from ...errors import Error, InputError, QuotaError, StoreError
from ..control.dispatch import Dispatcher
from ..control.refusal import Refused
from ..control.run import Run
from ..jobs.files import ResultFiles
from ..jobs.record import Failure, JobRecord, Point, Result
from ..jobs.runs import JobRuns
from ..jobs.store import JobStore
from ..requests.answer import Answer
from ..requests.failures import CODES, UnmadeError
from ..requests.request import GenerationRequest
from ..workers.card import ModelCard
from ..workers.task import Picture, Task
from .attempt import AnswerJob, Attempt, Stopped, TellJob
from .charges import Charges
from .request_text import read_request
from .results import keep_film, keep_pictures
from .threads import in_thread
from .waiting import ClientPlace

log = logging.getLogger("evocache.serve")

PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds between tries to keep something while the database or the disk is away."""

NO_ROOM = Failure("no_room", "the server has no room for the result; delete jobs, and ask for it again")
FAULT = Failure("internal_error", "a fault of the server; it is logged there")

Given = ParamSpec("Given")
Kept = TypeVar("Kept")


class JobMaker:
    """Makes jobs that this server has begun; used in one loop.

    Args:
        dispatcher: who has tasks made.
        store: of jobs.
        runs: of this server.
        files: of results.
        answer: answers what was promised.
        tell: is told of jobs that are over, once that is kept.
        note: is told which share of a job is done.
        place: returns the place that a client holds who waits for a job.
        charges: what was charged for jobs.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        store: JobStore,
        runs: JobRuns,
        files: ResultFiles,
        answer: AnswerJob,
        tell: TellJob,
        note: Callable[[JobRecord, float], None],
        place: Callable[[str], ClientPlace | None],
        charges: Charges,
    ) -> None:
        self._dispatcher, self._store, self._runs, self._files = dispatcher, store, runs, files
        self._answer, self._told, self._note, self._place = answer, tell, note, place
        self._charges = charges

    async def make(self, job: JobRecord) -> bool:
        """Make a job, and tell the store how it ended; its files stay only if it is done.

        Args:
            job: as `JobRuns.begin` returned it.

        Returns:
            Whether the database and the disk took it; if not, the job went back to the queue.
        """
        written, lost, done, reason, began = False, True, list[bool](), "", time.monotonic()
        asked, made = None, list[Answer]()
        try:
            asked = await self._patiently(self._read, job)
            made = await self._make(job, asked)
            written = True
            result = await self._patiently(self._keep, job, made)
            await self._patiently(lambda: done.append(self._finish(job, result)))
        except (Stopped, Refused):  # somebody ended it, or the server ends; what is no longer its own stays as it is
            await self._tell(self._runs.release, job)
        except StoreError as error:
            log.error("a job goes back to the queue: %s", error)
            lost = bool(await self._tell(self._runs.release, job))  # if not, it may be done after all
            return False
        except Exception as error:
            failure = _failure_of(error, written)
            if await self._tell(self._runs.fail, job, failure):
                reason = error.reason if isinstance(error, UnmadeError) else failure.code
        finally:
            if written and lost and not any(done):
                await self._tell(self._files.discard, job)
        if asked is not None and (reason or any(done)):
            who = job.who
            self._dispatcher.refund(who.as_owner(), self._charges.close(job.id))
            self._told(asked, who, time.monotonic() - began, () if reason else made, reason)
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

    async def _make(self, job: JobRecord, asked: GenerationRequest) -> list[Answer]:
        """Have all pictures of a job found or made; if one fails the others end."""
        refuse_missing_loras(asked, self._dispatcher.cards[job.model])
        owner, place = job.who.as_owner(), self._place(job.id)
        left = None if place is None else place.left
        asked = replace(asked, wishes=replace(asked.wishes, deadline=left))  # of who waits now, not of when it was kept

        def submit(task: Task, before: str | None) -> Run:
            left, ticket = (None, None) if place is None else (place.left, place.ticket)
            wished = replace(asked.point_wishes, deadline=left, durable=True, point=before)
            return self._dispatcher.submit(task, wished, owner, ticket, charged=self._charges.take(job.id))

        def choose(point: Point, at: int) -> Awaitable[Point | None]:
            return self._patiently(self._runs.choose, job, point, at)

        return await Attempt(job, asked, submit, choose, partial(self._note, job)).make(self._answer)

    def _keep(self, job: JobRecord, made: Sequence[Answer]) -> Result:
        pictures: list[Picture] = [one.picture for one in made]
        if job.kind == "video":
            rate = self._dispatcher.cards[job.model].frames_per_second
            files = keep_film(self._files, job, pictures[0], rate)
        else:
            files = keep_pictures(self._files, job, pictures)
        return Result(files, json.dumps({"pictures": [one.account.as_json() for one in made]}))


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


def _failure_of(error: Exception, written: bool) -> Failure:
    """Return what a job's owner is told: of what was asked for all, of the server's insides nothing."""
    if isinstance(error, UnmadeError):
        return Failure(CODES[error.reason], error.text)
    if isinstance(error, QuotaError):
        return NO_ROOM
    if isinstance(error, Error) and not written:
        return Failure("invalid_value", str(error))
    log.error("a job failed by a fault of the server", exc_info=error)
    return FAULT
