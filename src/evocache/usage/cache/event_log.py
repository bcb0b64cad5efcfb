"""What became of a cache's requests: counts of it, and records without their text."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .entry import Entry, Question
from .names import Names

if TYPE_CHECKING:
    from ..records.recorder import Recorder


@dataclass
class Counts:
    """Counts what was done beside hits in memory."""

    computed: int = 0
    failed: int = 0
    unkept: int = 0
    seconds_saved: float = 0.0
    seconds_computed: float = 0.0


class EventLog:
    """Makes an event of each request and gives it to a recorder, behind those who asked.

    Args:
        recorder: writes events.
        names: make digests.
        tenant: whose requests they are.
        clock: the cache's clock.
        wall: seconds since 1970.
    """

    def __init__(
        self,
        recorder: Recorder,
        names: Names,
        tenant: str | None,
        clock: Callable[[], float],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.recorder = recorder
        self._names, self._tenant, self._clock, self._wall = names, tenant or "", clock, wall

    def hit(self, kind: str, entry: Entry, owner: Hashable | None, at: float, policy: str) -> None:
        """Record a request that found an entry.

        Args:
            kind: `hit`, `joined` or `stale`.
            entry: what it found.
            owner: who asked.
            at: when, on the cache's clock.
            policy: what decides.
        """
        self._record(kind, entry.name, owner, at, "memory", {}, entry.size, entry.seconds, policy, None)

    def below(self, question: Question, entry: Entry, tier: str, policy: str) -> None:
        """Record a request that a tier below answered."""
        group, now = question.group, self._clock()
        self._record("hit", question.name, question.owner, now, tier, {}, entry.size, entry.seconds, policy, group)

    def computed(self, question: Question, kind: str, size: int, began: float, policy: str) -> None:
        """Record a request whose answer was computed, or not: `miss` or `failed`."""
        seconds = {"compute": max(self._clock() - began, 0.0)}
        self._record(kind, question.name, question.owner, began, "", seconds, size, 0.0, policy, question.group)

    def _record(
        self,
        kind: str,
        name: str | bytes,
        owner: Hashable | None,
        at: float,
        tier: str,
        seconds: Mapping[str, float],
        size: int,
        saved: float,
        policy: str,
        group: Hashable | None,
    ) -> None:
        from ..records.event import Event

        digester = self._names.digester
        self.recorder.record(
            Event(
                time=max(self._wall() - (self._clock() - at), 0.0),
                tenant=self._tenant,
                key=self._names.digest(name),
                kind=kind,
                owner=digester.owner(owner),
                group=digester.group(group),
                tier=tier,
                seconds=seconds,
                size=size,
                saved=max(saved, 0.0),
                policy=policy,
            )
        )


def recorder_of(records: str | os.PathLike[str] | Recorder) -> Recorder:
    """Return the recorder of a file, of a URL, or the one that is given.

    Raises:
        DependencyError: if the extra `[usage]` is missing, when the first request is recorded; a warning says so.
    """
    from ..records.open_store import open_store
    from ..records.recorder import Recorder

    return records if isinstance(records, Recorder) else Recorder(lambda: open_store(records))
