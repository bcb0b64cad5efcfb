"""Equal questions in flight: one of them is computed, the others wait for its answer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from .entry import Question

OVERDUE = (
    "a question was asked that somebody computed for {:g} s without an end, and is computed once more: it takes that "
    "long, or it waits for a job of a pool of threads that asks the same; try: a larger patience=, or "
    "pool.submit(contextvars.copy_context().run, job)"
)
"""What is warned of where a request waited for longer than its patience, in seconds."""

PATIENCE = 300.0
"""Seconds that a request waits for an equal one in flight, if not otherwise said."""

_leading: ContextVar[tuple[Flight, ...]] = ContextVar("leading", default=())
"""Flights that what runs in this context computes, the outermost first."""

_lock = threading.Lock()
"""Held by whoever joins or leaves a flight of any cache: one that waits for another may be of another cache."""

_blocked: dict[asyncio.AbstractEventLoop, list[Flight]] = {}
"""Flights that loops stand still for, since a plain function waits in their thread."""


class Flight:
    """A question that is being computed.

    Its future ends with True and what the leader found, or with False where it failed or was cancelled: an exception is
    nobody's value, so that each of those who wait tries for itself.

    Attributes:
        question: what is asked.
        loop: in which it is computed; None where a thread does so.
        began: when, in seconds since 1970.
        failed: whether computing it raised an error; one that was cancelled did not fail.
        alone: whether its answer is given to nobody else, since it cannot be copied.
        void: whether its answer was invalidated before it was there: it is given, and not kept.
        overdue: whether somebody waited for it for too long, so that nobody joins it any more.
        late: whether who asked has an answer already, a stale one, and went on.
        waits: flights that are waited for while it is computed.
    """

    def __init__(self, question: Question, loop: asyncio.AbstractEventLoop | None, began: float) -> None:
        self.question, self.loop, self.began = question, loop, began
        self.void = self.overdue = self.failed = self.alone = self.late = False
        self.waits: list[Flight] = []
        self.future: Future[tuple[bool, Any]] = Future()

    def land(self, found: Any) -> None:
        """Give those who wait what was found."""
        with suppress(Exception):
            self.future.set_result((True, found))

    def fail(self) -> None:
        """Tell those who wait that there is no answer. Nothing happens if they were told before."""
        if not self.future.done():
            with suppress(Exception):
                self.future.set_result((False, None))


class Flights:
    """The questions that are being computed, by name. Threads and coroutines wait for each other alike.

    Nobody waits who would wait for ever: for an answer that needs, through whatever others, the one that the caller
    computes; for a coroutine whose loop stands still, or would while the caller waits. Such a caller computes beside.
    What a caller computes is known by its context, which tasks and `asyncio.to_thread` inherit, and jobs of a pool of
    threads do not: such a circle ends when somebody has waited for too long.

    Args:
        wall: seconds since 1970.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._flights: dict[str | bytes, Flight] = {}
        self._all: set[Flight] = set()

    def __len__(self) -> int:
        return len(self._all)

    def join(self, question: Question, *, blocks: bool) -> tuple[Flight, bool]:
        """Return the flight of a question, and whether the caller leads it.

        A leader has to `leave` it, whatever happens; others have to `wait` for it, or `await_` it.

        Args:
            question: what is asked.
            blocks: whether the caller is a plain function, which blocks its thread while it waits.
        """
        leading, running = _leading.get(), running_loop()
        own = Flight(question, None if blocks else running, self._wall())
        with _lock:
            flight = self._flights.get(question.name)
            if flight is not None and not _hangs(flight, leading, running if blocks else None):
                for waits in _waits(leading, running if blocks else None):
                    waits.append(flight)
                return flight, False
            if flight is None or (flight.loop is not None and flight.loop.is_closed()):
                self._flights[question.name] = own
            self._all.add(own)
        return own, True

    def begin(self, question: Question, loop: asyncio.AbstractEventLoop | None) -> Flight | None:
        """Return a flight of an answer that was given stale; None if somebody computes it."""
        own = Flight(question, loop, self._wall())
        own.late = True
        with _lock:
            flight = self._flights.get(question.name)
            if flight is not None and not (flight.loop is not None and flight.loop.is_closed()):
                return None
            self._flights[question.name] = own
            self._all.add(own)
        return own

    def beside(self, question: Question) -> Flight:
        """Return a flight that the caller leads and nobody joins."""
        own = Flight(question, None, self._wall())
        with _lock:
            self._all.add(own)
        return own

    @contextmanager
    def apart(self, question: Question) -> Iterator[Flight]:
        """Give a flight that nobody joins, and end it."""
        flight = self.beside(question)
        try:
            yield flight
        finally:
            self.leave(flight)

    def wait(self, flight: Flight, seconds: float) -> tuple[bool, Any]:
        """Return what a flight ends with, in a thread; after so many seconds it is overdue."""
        try:
            return flight.future.result(_timeout(seconds))
        except Late:
            return self._overdue(flight)
        finally:
            self._waited(flight, running_loop())

    async def await_(self, flight: Flight, seconds: float) -> tuple[bool, Any]:
        """Return what a flight ends with, in a coroutine; after so many seconds it is overdue."""
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(flight.future)), _timeout(seconds))
        except (Late, asyncio.TimeoutError):
            return self._overdue(flight)
        finally:
            self._waited(flight, None)

    def _overdue(self, flight: Flight) -> tuple[bool, Any]:
        """Have nobody join a flight any more: who asks next leads another."""
        with _lock:
            flight.overdue = True
            self._take_out(flight)
        return False, None

    def lead(self, flight: Flight) -> object:
        """Note that what runs in this context computes an answer; return what undoes it (see `led`)."""
        return _leading.set((*_leading.get(), flight))

    def led(self, token: Any) -> None:
        """Note that it no longer does."""
        with suppress(ValueError):  # a coroutine that is closed in another context
            _leading.reset(token)

    def leave(self, flight: Flight) -> None:
        """End a flight; those who still wait for it are told that it failed."""
        with _lock:
            self._all.discard(flight)
            self._take_out(flight)
        flight.fail()

    def void(self, wanted: Callable[[Question], bool], *, forget_owner: bool = False) -> None:
        """Have no answer kept that is being computed now; who asks from now on has it computed anew.

        Args:
            wanted: says which questions' answers are meant.
            forget_owner: whether it is forgotten as well who asked.
        """
        with _lock:
            for flight in self._all:
                if wanted(flight.question):
                    flight.void = True
                    self._take_out(flight)
                    if forget_owner:
                        flight.question = replace(flight.question, owner=None)

    def _take_out(self, flight: Flight) -> None:
        if self._flights.get(flight.question.name) is flight:
            del self._flights[flight.question.name]

    def forget(self) -> None:
        """Begin anew, as in a child process, in which no other thread of its parent runs."""
        global _lock
        _lock = threading.Lock()
        _blocked.clear()
        self._flights, self._all = {}, set()

    @staticmethod
    def _waited(flight: Flight, blocked: asyncio.AbstractEventLoop | None) -> None:
        with _lock:
            for waits in _waits(_leading.get(), blocked):
                with suppress(ValueError):
                    waits.remove(flight)
            if blocked is not None and not _blocked.get(blocked):
                _blocked.pop(blocked, None)


@dataclass(frozen=True, slots=True)
class Wait:
    """Waits for what a flight ends with: a step of an answer (see `steps`)."""

    flights: Flights
    flight: Flight
    seconds: float

    def now(self) -> tuple[bool, Any]:
        """Return it, in a thread."""
        return self.flights.wait(self.flight, self.seconds)

    async def later(self) -> tuple[bool, Any]:
        """Return it, in a coroutine."""
        return await self.flights.await_(self.flight, self.seconds)


def _timeout(seconds: float) -> float | None:
    """Return seconds as Python takes them; None for those that it does not reach."""
    return seconds if seconds < threading.TIMEOUT_MAX else None


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs in this thread; None if none does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _waits(leading: tuple[Flight, ...], blocked: asyncio.AbstractEventLoop | None) -> list[list[Flight]]:
    """Return the lists of what is waited for, of all that stands still while a caller waits."""
    return [one.waits for one in leading] + ([] if blocked is None else [_blocked.setdefault(blocked, [])])


def _hangs(flight: Flight, leading: tuple[Flight, ...], blocked: asyncio.AbstractEventLoop | None) -> bool:
    """Whether a caller who leads some flights, and whose loop would stand still, would wait for a flight for ever."""
    ahead, seen = [flight], set[Flight]()
    while ahead:
        one = ahead.pop()
        if one in seen or one.future.done():
            continue
        if one in leading:
            return True
        seen.add(one)
        if one.loop is not None:
            if one.loop is blocked or not one.loop.is_running():
                return True
            ahead += _blocked.get(one.loop, [])
        ahead += one.waits
    return False
