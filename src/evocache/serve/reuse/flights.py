"""What is being made, and all who wait for it: equal requests are made once, and each is told of it as if alone."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from ..control.desk import Outlook
from ..control.run import End, Run
from ..requests.answer import Account, Answer
from ..requests.failures import UnmadeError
from ..workers.updates import Failed, Made, Progressed
from .keys import Question
from .waiter import Kept, Listener, Waiter

log = logging.getLogger("evocache.serve")

Keep = Callable[[Question, Answer], Awaitable[int]]
"""Stores a result, and returns its bytes."""


class Flight:
    """A run, and all who wait for it. It is over when its result is stored.

    Args:
        question: what is made.
        run: makes it.
        account: makes the account of a run.
        clock: the dispatcher's.
    """

    def __init__(
        self, question: Question, run: Run, account: Callable[[Run, Made], Account], clock: Callable[[], float]
    ) -> None:
        self.question, self.run = question, run
        self._account, self._clock = account, clock
        self._waiters: list[Waiter] = []
        self._answer: Answer | None = None
        self.left = False
        """Whether all who waited have left, so that it ends."""
        self._told = False
        """Whether all who waited have been told all: who comes later finds what was stored."""

    def fits(self, outlook: Outlook, hurries: bool, durable: bool = False, patient: bool = False) -> bool:
        """Return whether it is what a request would get.

        Its point is none below what is asked for; if that has to be fast, it is none that is slower either. What is
        made already is as good at least as what would be made now.

        Args:
            outlook: what the request would be given now.
            hurries: whether it asks for a speed-up, or has a deadline.
            durable: whether the request was promised: a plain call's run may end with its worker.
            patient: whether nobody waits for the request: somebody does not wait in the line of those for whom nobody
                does.
        """
        run, ladder = self.run, outlook.ladder
        if run.begun is None and run.entry.group.patient and not patient:
            return False
        if durable and not run.wishes.durable and self._answer is None:
            return False
        if self.left or self._told or (run.over and self._answer is None):
            return False
        first, last = run.ladder.first, run.ladder.last
        if run.begun is not None:
            first = last = run.ladder.points.index(run.point)
        if self._answer is not None:
            return first <= outlook.place
        return last <= ladder.last and (not hurries or first >= ladder.first)

    def join(
        self,
        watch: Listener,
        previews: int,
        kept: Kept,
        *,
        deadline: float | None = None,
        joined: bool = True,
    ) -> Waiter:
        """Let somebody wait as well, who is told all from now on.

        Args:
            watch: is told what becomes of it.
            previews: most that are told.
            kept: is told of the answer, if there is one.
            deadline: seconds from now; what waits goes by the nearest of all.
            joined: whether it is made for somebody else.
        """
        now = self._clock()
        waiter = Waiter(self.leave, watch, previews, joined, now, kept)
        self._waiters.append(waiter)
        if deadline is not None:
            self.run.hasten(now + deadline)
        if self._answer is not None:
            self._give(waiter)
        elif joined and self.run.progress.steps:
            waiter.tell(self.run.progress)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Take somebody off who waits no more."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        if not self._waiters and not self.run.over:
            self.left = True
            self.run.cancel()

    async def fly(self, keep: Keep | None) -> None:
        """Tell all who wait what becomes of the run, and have its result stored."""
        end = await self._pass_on()
        if not isinstance(end, Made):
            self._fail(lambda: _failure(end))
            return
        answer = self._answer = Answer(end.picture, self._account(self.run, end))
        for waiter in self._waiting():
            self._give(waiter)
        bytes = len(end.picture.pixels) if keep is None else await self._store(keep, answer)
        for waiter in self._waiters:
            if not waiter.answer.cancelled():
                waiter.kept(waiter.answer.result(), bytes, answer.account.seconds.get("compute", 0.0))
        self._told = True

    def fail(self) -> None:
        """Answer all who wait still that it cannot be followed any more, by a fault of the server, and end it."""
        self.left = True
        self._fail(lambda: UnmadeError("pipeline", "a fault of the server; it is logged there"))
        self.run.cancel()

    def _fail(self, failure: Callable[[], UnmadeError]) -> None:
        for waiter in self._waiting():
            waiter.answer.set_exception(failure())
            waiter.answer.exception()  # seen: who left does not ask

    def _waiting(self) -> list[Waiter]:
        return [waiter for waiter in self._waiters if not waiter.answer.done()]

    async def _store(self, keep: Keep, answer: Answer) -> int:
        """Have a result stored; returns the bytes that it takes, those of its pixels where it is not."""
        try:
            return await keep(self.question, answer) or len(answer.picture.pixels)
        except Exception:
            log.exception("a result could not be stored")
            return len(answer.picture.pixels)

    async def _pass_on(self) -> End:
        async for update in self.run:
            if isinstance(update, End):
                return update
            for waiter in self._waiters:
                waiter.tell(update)
            if isinstance(update, Progressed):
                # of all: one preview is enough for them
                wishes = [waiter.wants_preview(update) for waiter in self._waiters]
                if any(wishes):
                    self.run.preview()
        raise AssertionError("a run without an end")

    def _give(self, waiter: Waiter) -> None:
        waiter.waited = max(0.0, self._clock() - waiter.came)
        waiter.answer.set_result(self._answer_of(waiter))

    def _answer_of(self, waiter: Waiter) -> Answer:
        """The answer as one of those who wait is given it."""
        assert self._answer is not None
        if not waiter.joined:
            return self._answer
        run, account = self.run, self._answer.account
        over = run.ended is not None and waiter.came >= run.ended
        begun = run.came if run.begun is None else run.begun
        seconds = {**account.seconds, "queue": max(0.0, begun - waiter.came)}
        if over:
            return Answer(self._answer.picture, replace(account, reuse="exact", seconds={}, run_notes=()))
        return Answer(self._answer.picture, replace(account, reuse="joined", seconds=seconds))


class Flights:
    """What is being made, by the name of its result.

    Args:
        account: makes the account of a run.
        clock: the dispatcher's.
    """

    def __init__(self, account: Callable[[Run, Made], Account], clock: Callable[[], float] = time.monotonic) -> None:
        self._account, self._clock = account, clock
        self._flights: dict[str, list[Flight]] = {}
        self._tasks: dict[Flight, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._flights.values()))

    def find(
        self, question: Question, outlook: Outlook, hurries: bool, durable: bool = False, patient: bool = False
    ) -> Flight | None:
        """Return what is being made for a question, if it fits (`Flight.fits`)."""
        flights: Sequence[Flight] = self._flights.get(question.name, ())
        return next((flight for flight in flights if flight.fits(outlook, hurries, durable, patient)), None)

    def begin(self, question: Question, run: Run, keep: Keep | None, *, open: bool) -> Flight:
        """Follow a run.

        Args:
            question: what it makes.
            run: makes it.
            keep: stores the result; None if it is not to be stored.
            open: whether others may join.
        """
        flight = Flight(question, run, self._account, self._clock)
        if open:
            self._flights.setdefault(question.name, []).append(flight)
        task = asyncio.ensure_future(flight.fly(keep))
        self._tasks[flight] = task
        task.add_done_callback(lambda done: self._over(flight, done))
        return flight

    def _over(self, flight: Flight, task: asyncio.Task[None]) -> None:
        self._tasks.pop(flight, None)
        flights = self._flights.get(flight.question.name, [])
        if flight in flights:
            flights.remove(flight)
            if not flights:
                del self._flights[flight.question.name]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a generation could not be followed", exc_info=error)
            flight.fail()

    async def settle(self, name: str) -> None:
        """Wait until what was made by a name is stored; what is being made yet is not waited for."""
        storing = [task for flight, task in self._tasks.items() if flight.question.name == name and flight.run.over]
        if storing:
            await asyncio.wait(storing)

    async def close(self) -> None:
        """Wait until all is over, runs that were cancelled and results that are being stored."""
        if self._tasks:
            await asyncio.wait([*self._tasks.values()])


def _failure(end: End) -> UnmadeError:
    if isinstance(end, Failed):
        return UnmadeError(end.reason, end.text, goes_back=end.goes_back)
    return UnmadeError("cancelled", "it was cancelled", goes_back=True)
