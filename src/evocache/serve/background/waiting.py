"""Clients that wait for jobs: they are told when one has ended here, and hold places at the door meanwhile."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..control.ticket import Ticket


@dataclass(frozen=True)
class ClientPlace:
    """A place at the door that a client holds while it waits for a job.

    Attributes:
        ticket: which the job's runs take their parts from when they begin.
        due: until when the client waits, by the loop's clock; None if it may take any time.
    """

    ticket: Ticket
    due: float | None = None

    @property
    def left(self) -> float | None:
        """Seconds that the client waits still; below 0 if it should have been answered."""
        return None if self.due is None else self.due - asyncio.get_running_loop().time()


class WaitingClients:
    """Keeps who waits for which job; used in one loop."""

    def __init__(self) -> None:
        self._events: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._places: dict[str, ClientPlace] = {}

    @contextmanager
    def hold(self, id: str, ticket: Ticket) -> Iterator[None]:
        """Hold the place of a job's client while the block runs."""
        deadline = ticket.demand.deadline
        due = None if deadline is None else asyncio.get_running_loop().time() + deadline
        self._places[id] = ClientPlace(ticket, due)
        try:
            yield
        finally:
            self._places.pop(id, None)

    def place(self, id: str) -> ClientPlace | None:
        """Return the place that is held for a job; None if no client of this server waits for it."""
        return self._places.get(id)

    def ids(self) -> list[str]:
        """Return the ids of all jobs that places are held for, who came first before others."""
        return [*self._places]

    def leave(self, id: str) -> None:
        """Give the place of a job back that was deleted, and what it was charged for and did not get."""
        place = self._places.pop(id, None)
        if place is not None:
            place.ticket.leave()

    @contextmanager
    def event_of(self, id: str) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever this server has something to tell of a job, while the block runs."""
        event = asyncio.Event()
        self._events[id].add(event)
        try:
            yield event
        finally:
            self._events[id].discard(event)
            if not self._events[id]:
                del self._events[id]

    def tell(self, id: str) -> None:
        """Have those who wait for a job look at it: this server makes it no more."""
        for event in self._events.get(id, ()):
            event.set()

    def tell_all(self) -> None:
        """Have everybody look at what they wait for: the server is about to end."""
        for id in self._events:
            self.tell(id)


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, or some seconds; unlike `asyncio.wait_for` it misses no cancellation."""
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({waiting}, timeout=seconds)
    finally:
        waiting.cancel()
