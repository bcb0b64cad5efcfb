"""Equal questions in flight: one of them is computed, the others wait for its answer."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

ATTEMPTS = 2
"""How often a question joins another that is in flight before it is computed beside it."""

_leading: ContextVar[tuple[tuple[int, str | bytes], ...]] = ContextVar("leading", default=())


class Flight:
    """A question that is being computed.

    Its future ends with True and what the leader found, or with False where it failed or was cancelled: an exception is
    nobody's value, so that each of those who wait tries for itself.
    """

    def __init__(self) -> None:
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
    """The questions that are being computed, by name. Threads and coroutines wait for each other alike."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[str | bytes, Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def join(self, name: str | bytes) -> tuple[Flight, bool]:
        """Return the flight of a question, and whether the caller leads it.

        A leader has to `leave` it, whatever happens. One who asks, while computing an answer, for that same answer
        leads a flight of its own, which nobody joins: it would wait for itself.
        """
        if (id(self), name) in _leading.get():
            return Flight(), True
        with self._lock:
            flight = self._flights.get(name)
            if flight is not None:
                return flight, False
            flight = self._flights[name] = Flight()
            return flight, True

    def lead(self, name: str | bytes) -> object:
        """Note that what runs in this context computes an answer; return what undoes it (see `led`)."""
        return _leading.set((*_leading.get(), (id(self), name)))

    def led(self, token: Any) -> None:
        """Note that it no longer does."""
        with suppress(ValueError):  # a coroutine that is closed in another context
            _leading.reset(token)

    def leave(self, name: str | bytes, flight: Flight) -> None:
        """End a flight; those who still wait for it are told that it failed."""
        with self._lock:
            if self._flights.get(name) is flight:
                del self._flights[name]
        flight.fail()

    def forget(self) -> None:
        """Begin anew, as in a child process, in which no other thread of its parent runs."""
        self._lock = threading.Lock()
        self._flights = {}
