"""How long events are kept, and how many: by age, by number and by bytes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from ...errors import RecordError, StoreError, short

if TYPE_CHECKING:
    from .store import EventStore

BATCH = 1000
"""Events that are deleted at a time, so that nobody waits long for the database."""

EVERY = 1000
"""Events that may come in before a store looks after what is to leave."""

DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept; the oldest events leave first.

    Attributes:
        max_seconds: age that events may reach; None for any.
        max_events: how many are kept at most; None for any number.
        max_bytes: bytes that they may take, indexes included; None for any.

    A store may be over by the events of the last `EVERY` requests.

    Raises:
        RecordError: if a limit is below 1.
    """

    max_seconds: float | None = 90 * DAY
    max_events: int | None = None
    max_bytes: int | None = 64_000_000

    def __post_init__(self) -> None:
        for name in ("max_seconds", "max_events", "max_bytes"):
            value = getattr(self, name)
            if value is not None and not value >= 1:
                raise RecordError(f"{name} {short(value)} of a retention", "1 or more, or None", "leave it out")


@dataclass(frozen=True, slots=True)
class Removed:
    """How many events left, by the limit that they were over."""

    max_seconds: int = 0
    max_events: int = 0
    max_bytes: int = 0


def enforce(store: EventStore, retention: Retention, now: float) -> Removed:
    """Delete what is over the limits, in batches.

    Args:
        store: where.
        retention: the limits.
        now: seconds since 1970.

    Raises:
        StoreError: if the store is away, locked or damaged; what was deleted before stays deleted.
    """
    aged = counted = weighed = 0
    if retention.max_seconds is not None:
        while gone := store.delete_oldest(BATCH, before=now - retention.max_seconds):
            aged += gone
    if retention.max_events is not None:
        over = store.count() - retention.max_events
        while counted < over and (gone := store.delete_oldest(min(BATCH, over - counted))):
            counted += gone
    if retention.max_bytes is not None:
        while (used := store.used_bytes()) > retention.max_bytes:
            over = ceil(store.count() * (1 - retention.max_bytes / used))
            if not (gone := store.delete_oldest(min(BATCH, over))):
                break
            weighed += gone
    return Removed(aged, counted, weighed)


class Watch:
    """Looks after a store's limits once in `EVERY` events, beginning with the first."""

    def __init__(self, retention: Retention) -> None:
        self.retention = retention
        self._since = EVERY

    def enforce(self, store: EventStore, more: int) -> None:
        """Count events that came in, and delete what is over the limits where it is time to look.

        Where the store cannot delete now, it is asked again with the next events: those that came in are kept.
        """
        self._since += more
        if self._since >= EVERY:
            with suppress(StoreError):
                enforce(store, self.retention, store.clock())
                self._since = 0
