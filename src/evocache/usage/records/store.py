"""What a store of events is: the contract that memory, SQLite and Postgres share."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

from .event import Event
from .privacy import Privacy, checked, reduce
from .retention import Retention, Watch
from .summary import By, Summary, summarize


@dataclass(frozen=True, slots=True)
class Where:
    """Which events are meant; all of them where nothing is named.

    Attributes:
        since: the first time, in seconds since 1970.
        until: the end; what was at that time is left out.
        tenant: whose data.
        owner: digest of who asked.
        key: digest of the question.
    """

    since: float | None = None
    until: float | None = None
    tenant: str | None = None
    owner: bytes | None = None
    key: bytes | None = None

    def meets(self, event: Event) -> bool:
        """Return whether an event is one of these."""
        return (
            (self.since is None or event.time >= self.since)
            and (self.until is None or event.time < self.until)
            and (self.tenant is None or event.tenant == self.tenant)
            and (self.owner is None or event.owner == self.owner)
            and (self.key is None or event.key == self.key)
        )


ALL = Where()


class EventStore(ABC):
    """Keeps events of requests, in order of time. Threads may share it.

    Args:
        privacy: what is kept of each event; texts only with `"text"`.
        retention: what is deleted again, looked after as events come in.
        clock: returns seconds since 1970.
    """

    def __init__(
        self, *, privacy: Privacy = "digest", retention: Retention | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.privacy = checked(privacy)
        self.retention = retention or Retention()
        self.clock = clock
        self._watch = Watch(self.retention)

    def append(self, events: Iterable[Event]) -> int:
        """Keep events, all of them or none; those of a database are durable when it returns.

        Returns:
            How many there were.

        Raises:
            StoreError: if they cannot be kept; then none of them is.
        """
        kept = [reduce(event, self.privacy) for event in events]
        if kept:
            self._append(kept)
            self._watch.enforce(self, len(kept))
        return len(kept)

    @abstractmethod
    def _append(self, events: list[Event]) -> None: ...

    @abstractmethod
    def read(self, where: Where = ALL) -> Iterator[Event]:
        """Yield events in order of time, and those of one time as they came.

        Events that are appended or deleted meanwhile may be among them or not.

        Raises:
            StoreError: if they cannot be read.
        """

    @abstractmethod
    def count(self, where: Where = ALL) -> int:
        """Return how many events there are."""

    @abstractmethod
    def used_bytes(self) -> int:
        """Return the bytes that the events take, with their indexes, not counting room that deleted ones left."""

    @abstractmethod
    def delete_owner(self, tenant: str, owner: bytes) -> int:
        """Delete all that is known of one who asked, from files as well, and return the number of events.

        Raises:
            StoreError: if traces may be left; try again.
        """

    @abstractmethod
    def delete_oldest(self, most: int, *, before: float | None = None) -> int:
        """Delete up to so many of the oldest events, if they are older than `before`; return how many there were."""

    @abstractmethod
    def close(self) -> None:
        """Give files and connections back. Closing twice does nothing."""

    def summarize(self, by: By = "all", where: Where = ALL, *, most: int | None = None) -> list[Summary]:
        """Return requests, hits and sums by what they have in common.

        Args:
            by: what that is, such as `"hour"`.
            where: which events are counted.
            most: so many at most: of hours the latest, of all else those with the most requests.
        """
        return summarize(self.read(where), by, most)

    def export_owner(self, tenant: str, owner: bytes) -> Iterator[str]:
        """Yield all that is kept of one who asked, as lines of JSON."""
        for event in self.read(Where(tenant=tenant, owner=owner)):
            yield event.to_json()

    def __enter__(self) -> EventStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
