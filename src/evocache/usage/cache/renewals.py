"""Answers that are computed anew behind those who were given them stale."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from ..late import refuse_changed
from ..tiers import forks
from ..warner import Warner
from .entry import Entry, Question
from .single_flight import Flight, Flights
from .steps import Steps, arun, run

Compute: TypeAlias = Callable[[], Any]

Found: TypeAlias = tuple[Any, Entry | None]
"""A value, and its entry; None for the entry where it cannot be kept."""

Renew: TypeAlias = Callable[[Flight, Compute], Steps[Found]]
"""Computes an answer and has it kept."""

THREADS = 2
"""Threads that compute answers anew."""


class Renewals:
    """Computes answers anew, each by one at a time; what fails is warned of, and tried again at the next request.

    Args:
        flights: questions that are being computed.
        warner: warns of failures.
    """

    def __init__(self, flights: Flights, warner: Warner) -> None:
        self._flights, self._warner = flights, warner
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        forks.watch(self)

    def begin(self, question: Question, compute: Compute, renew: Renew, blocks: bool) -> None:
        """Compute an answer anew, unless somebody computes it.

        Args:
            question: what is asked.
            compute: computes its answer, perhaps after who gave it went on.
            renew: does so and keeps it, as steps that begin with a flight.
            blocks: whether a thread does so, or a task of the loop that runs.
        """
        loop = None if blocks else asyncio.get_running_loop()
        flight = self._flights.begin(question, loop)
        if flight is None:
            return
        steps = self._renew(flight, compute, renew)
        if loop is not None:
            task = loop.create_task(arun(steps))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(lambda _: self._flights.leave(flight))  # one that is cancelled may not have begun
            return
        try:
            with self._lock:
                if self._pool is None:
                    self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="evocache-renew")
                self._pool.submit(run, steps)
        except RuntimeError:  # it was closed just now, or the program ends
            self._flights.leave(flight)

    def _renew(self, flight: Flight, compute: Compute, renew: Renew) -> Steps[None]:
        token = self._flights.lead(flight)
        try:
            refuse_changed(compute, late=True)
            _, entry = yield from renew(flight, compute)
            if entry is not None:
                flight.land(entry)
        except Exception as error:
            kind = type(error).__name__
            said = f"an answer could not be computed anew, and is given as it was: {kind}: {error}"
            self._warner.warn(f"renew {kind}", said)
        finally:
            self._flights.led(token)
            self._flights.leave(flight)

    def close(self) -> None:
        """Wait for the threads."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()

    def before_fork(self) -> None:
        """Hold still; a child process has none of the threads."""
        self._lock.acquire()

    def after_fork(self, child: bool) -> None:
        """Begin anew in a child process."""
        if child:
            self._pool, self._tasks = None, set()
            self._flights.forget()
        self._lock.release()
