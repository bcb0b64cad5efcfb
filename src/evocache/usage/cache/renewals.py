"""Answers that are computed anew behind those who were given them stale."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..tiers import forks
from ..warner import Warner
from .entry import Entry, Question
from .single_flight import Flight, Flights

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
        self._tasks: set[asyncio.Task[Any]] = set()
        forks.watch(self)

    def begin(self, question: Question, renew: Callable[[Flight], Entry | None]) -> None:
        """Compute an answer anew in a thread, unless somebody computes it."""
        flight = self._flights.begin(question, None)
        if flight is None:
            return

        def run() -> None:
            token = self._flights.lead(flight)
            try:
                self._land(flight, renew(flight))
            except Exception as error:
                self._warn(error)
            finally:
                self._flights.led(token)
                self._flights.leave(flight)

        try:
            pool = self._pool
            if pool is None:
                pool = self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="evocache-renew")
            pool.submit(run)
        except RuntimeError:  # it was closed just now, or the program ends
            self._flights.leave(flight)

    def begin_task(self, question: Question, renew: Callable[[Flight], Awaitable[Entry | None]]) -> None:
        """Compute an answer anew in a task of the loop that runs, unless somebody computes it."""
        flight = self._flights.begin(question, asyncio.get_running_loop())
        if flight is None:
            return

        async def run() -> None:
            token = self._flights.lead(flight)
            try:
                self._land(flight, await renew(flight))
            except Exception as error:
                self._warn(error)
            finally:
                self._flights.led(token)
                self._flights.leave(flight)

        task = asyncio.ensure_future(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Wait for the threads."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def before_fork(self) -> None:
        """Do nothing; a child process has none of the threads."""

    def after_fork(self, child: bool) -> None:
        """Begin anew in a child process."""
        if child:
            self._pool, self._tasks = None, set()
            self._flights.forget()

    @staticmethod
    def _land(flight: Flight, entry: Entry | None) -> None:
        if entry is not None:
            flight.land(entry)

    def _warn(self, error: Exception) -> None:
        kind = type(error).__name__
        said = f"an answer could not be computed anew, and is given as it was: {kind}: {error}"
        self._warner.warn(f"renew {kind}", said)
