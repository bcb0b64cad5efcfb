"""A store of events in memory: the last so many, gone with the process."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import fields

from .event import Event
from .privacy import Privacy
from .retention import Retention
from .store import ALL, EventStore, Where


class MemoryStore(EventStore):
    """Keeps the last events in memory.

    Args:
        most: how many; the ones that came first leave.
        privacy: what is kept of each.
        retention: what else leaves.
        clock: returns seconds since 1970.
    """

    def __init__(
        self,
        most: int = 100_000,
        *,
        privacy: Privacy = "digest",
        retention: Retention | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(privacy=privacy, retention=retention, clock=clock)
        self._events: deque[Event] = deque()
        self._bytes = 0
        self._most = most
        self._lock = threading.RLock()

    def _append(self, events: list[Event]) -> None:
        with self._lock:
            for event in events:
                self._events.append(event)
                self._bytes += weight(event)
            while len(self._events) > self._most:
                self._bytes -= weight(self._events.popleft())

    def _sorted(self) -> list[Event]:
        with self._lock:
            return sorted(self._events, key=lambda event: event.time)

    def read(self, where: Where = ALL) -> Iterator[Event]:
        """Yield events as they were when reading began."""
        for event in self._sorted():
            if where.meets(event):
                yield event

    def count(self, where: Where = ALL) -> int:
        """Return how many events there are."""
        return sum(1 for _ in self.read(where))

    def used_bytes(self) -> int:
        """Return the bytes of the events and of what they alone hold."""
        return self._bytes

    def delete_owner(self, tenant: str, owner: bytes) -> int:
        """Delete all events of one who asked."""
        meant = Where(tenant=tenant, owner=owner)
        with self._lock:
            return self._keep([event for event in self._events if not meant.meets(event)])

    def delete_oldest(self, most: int, *, before: float | None = None) -> int:
        """Delete the oldest events."""
        with self._lock:
            oldest = [event for event in self._sorted() if before is None or event.time < before][:most]
            gone = {id(event) for event in oldest}
            return self._keep([event for event in self._events if id(event) not in gone])

    def _keep(self, events: list[Event]) -> int:
        gone = len(self._events) - len(events)
        self._events = deque(events)
        self._bytes = sum(map(weight, events))
        return gone

    def close(self) -> None:
        """Forget all events."""
        with self._lock:
            self._keep([])


def weight(event: Event) -> int:
    """Return the bytes of an event and its values; names are shared among events and left out."""
    own = [getattr(event, one.name) for one in fields(event) if one.name not in ("tenant", "context", "tier", "policy")]
    return sys.getsizeof(event) + sum(map(sys.getsizeof, own)) + sum(map(sys.getsizeof, event.seconds.values()))
