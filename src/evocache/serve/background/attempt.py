"""One attempt at a job: its pictures are found or made, at the points of earlier attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from ..control.points import UNCACHED
from ..control.run import Begin, Run
from ..jobs.record import JobRecord, Point
from ..requests.answer import Answer
from ..requests.failures import UnmadeError
from ..requests.identity import Identity
from ..requests.request import GenerationRequest
from ..workers.task import Task
from ..workers.updates import Progressed, Update


class AnswerJob(Protocol):
    """Answers what was promised, from what is stored, from what is being made, or by having it made."""

    async def __call__(
        self,
        asked: GenerationRequest,
        who: Identity,
        seed: int,
        attempt: int,
        begin: Begin,
        watch: Callable[[int, Update], None],
    ) -> list[Answer]:
        """Return the answers.

        Args:
            asked: what is asked for.
            who: who asks.
            seed: of the first picture, drawn when it was promised.
            attempt: at the job, from 1.
            begin: has what is missing made, which was let in when it was promised.
            watch: is told what becomes of each picture.

        Raises:
            Refused: if the server begins nothing any more.
            UnmadeError: if one of them failed; the others end.
        """


TellJob = Callable[[GenerationRequest, Identity, float, Sequence[Answer], str], None]
"""Is told of a job that is over, once that is kept: what was asked for, by whom, the seconds of its last attempt, the
answers, and in a word why it failed."""


class Stopped(Exception):  # noqa: N818
    """The job was ended, or is no longer this server's."""


class Attempt:
    """An attempt at a job; used once.

    Args:
        job: as it was begun.
        asked: what is asked for.
        submit: has a task begun, at the point of an earlier attempt if there was one.
        choose: keeps the point of a picture; it returns None if the job is no longer this server's.
        note: is told which share of the job is done.
    """

    def __init__(
        self,
        job: JobRecord,
        asked: GenerationRequest,
        submit: Callable[[Task, str | None], Run],
        choose: Callable[[Point, int], Awaitable[Point | None]],
        note: Callable[[float], None],
    ) -> None:
        self._job, self._asked = job, asked
        self._submit, self._choose, self._note = submit, choose, note
        self._shares = [0.0] * asked.count
        self._runs: dict[int, Run] = {}
        self._keeping: list[asyncio.Task[None]] = []
        self._answering: asyncio.Task[list[Answer]] | None = None
        self._lost = False

    async def make(self, answer: AnswerJob) -> list[Answer]:
        """Return the answers, once the points that they were made at are kept.

        Raises:
            Stopped: if the job was ended, or is no longer this server's.
            Refused: if the server begins nothing any more.
            UnmadeError: if a picture failed.
        """
        job = self._job
        work = answer(self._asked, job.who, job.seed, job.attempts, self._begin, self._watch)
        self._answering = asyncio.ensure_future(work)
        try:
            answers = await self._answering
            await asyncio.gather(*self._keeping)
        except UnmadeError as error:
            if error.goes_back:
                raise Stopped from None
            raise
        except asyncio.CancelledError:
            if self._lost:
                raise Stopped from None
            raise
        finally:
            self._answering.cancel()
            await asyncio.gather(self._answering, *self._keeping, return_exceptions=True)
        if self._lost:
            raise Stopped
        return answers

    @contextmanager
    def _begin(self, tasks: Sequence[Task]) -> Iterator[Sequence[Run]]:
        for task in tasks:
            at = task.seed - self._job.seed
            before = self._job.points.get(at)
            self._runs[at] = self._submit(task, None if before is None else before.label)
        yield [self._runs[task.seed - self._job.seed] for task in tasks]

    def _watch(self, at: int, update: Update) -> None:
        if isinstance(update, Progressed) and update.steps:
            self._shares[at] = max(self._shares[at], update.step / update.steps)
            self._note(sum(self._shares) / len(self._shares))
        run = self._runs.pop(at, None)
        if run is not None:  # it has begun, so that its point is known
            self._keeping.append(asyncio.create_task(self._keep_point(at, run)))

    async def _keep_point(self, at: int, run: Run) -> None:
        point = Point(None, UNCACHED) if run.point is None else Point(run.point.index, run.point.label)
        if await self._choose(point, at) is None:
            self._lost = True
            if self._answering is not None:
                self._answering.cancel()
