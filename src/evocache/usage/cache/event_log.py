"""What became of a cache's requests: counts of it, and records."""

from __future__ import annotations

import os
import reprlib
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..warner import Warner
from .entry import Entry, Question
from .names import Encoded, Names, Spelled

if TYPE_CHECKING:
    from ..records.privacy import Privacy
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

    A request whose event is none, for whatever reason, is not recorded; that is warned of once, and harms nobody.

    Args:
        recorder: writes events.
        owned: whether the recorder is to be closed with the cache.
        privacy: what is recorded of a request.
        names: make digests.
        tenant: whose requests they are.
        clock: the cache's clock.
        wall: seconds since 1970.
    """

    def __init__(
        self,
        recorder: Recorder,
        owned: bool,
        privacy: Privacy,
        names: Names,
        tenant: str | None,
        clock: Callable[[], float],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.recorder, self.privacy = recorder, privacy
        self._owned = owned
        self._names, self._tenant, self._clock, self._wall = names, tenant or "", clock, wall
        self._warner = Warner()

    def hit(self, kind: str, entry: Entry, owner: Hashable | None, at: float, policy: str) -> None:
        """Record a request that found an entry.

        Args:
            kind: `hit`, `joined` or `stale`.
            entry: what it found.
            owner: who asked.
            at: when, on the cache's clock.
            policy: what decides.
        """
        question = Question(entry.key, entry.name, owner)
        self._record(question, kind, at, policy, tier="memory", size=entry.size, saved=entry.seconds)

    def below(self, question: Question, entry: Entry, tier: str, policy: str) -> None:
        """Record a request that a tier below answered."""
        self._record(question, "hit", self._clock(), policy, tier=tier, size=entry.size, saved=entry.seconds)

    def computed(self, question: Question, kind: str, size: int, began: float, policy: str) -> None:
        """Record a request whose answer was computed, or not: `miss` or `failed`."""
        seconds = {"compute": max(self._clock() - began, 0.0)}
        self._record(question, kind, began, policy, seconds=seconds, size=size)

    def forget_owner(self, owner: Hashable | None) -> None:
        """Record nothing of an owner's requests so far that is not recorded yet; of None nothing of anybody's."""
        wanted = None if owner is None else self._names.digester.owner(owner)
        self.recorder.forget(lambda event: event.tenant == self._tenant and wanted in (None, event.owner))

    def close(self) -> None:
        """Write what waits; a recorder that was given may be used on."""
        if self._owned:
            self.recorder.close()
        else:
            self.recorder.flush()

    def _record(self, question: Question, kind: str, at: float, policy: str, **figures: Any) -> None:
        from ..records.event import Event
        from ..records.privacy import reduce

        try:
            digester = self._names.digester
            event = Event(
                time=max(self._wall() - (self._clock() - at), 0.0),
                tenant=self._tenant,
                key=self._names.digest(question.name),
                kind=kind,
                owner=digester.owner(question.owner),
                group=digester.group(question.group),
                policy=policy,
                text=text_of(question.key) if self.privacy == "text" else None,
                **figures,
            )
            self.recorder.record(reduce(event, self.privacy))
        except Exception as error:
            self._warner.warn("event", f"a request is not recorded: {type(error).__name__}: {error}")


def text_of(key: Hashable) -> str | None:
    """Return a key as a text that every database keeps, shortened where it is very long; None where it has none."""
    from ..records.event import TEXT

    if isinstance(key, Encoded):
        text = key.text if isinstance(key, Spelled) else None
    else:
        text = str.__str__(key) if isinstance(key, str) else spell(key)
    return None if text is None else text[:TEXT].replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def spell(value: Any) -> str:
    """Return a value as a text: its `repr`, of large containers and arrays a part."""
    speller = reprlib.Repr()
    speller.maxstring = speller.maxother = 10_000
    for container in ("tuple", "list", "array", "dict", "set", "frozenset", "deque"):
        setattr(speller, f"max{container}", 100)
    try:
        return speller.repr(value)
    except Exception:  # numbers of more digits than Python writes, and whatever else a `repr` may do
        return f"a {type(value).__name__}"


def open_log(
    records: str | os.PathLike[str] | Recorder | None,
    privacy: Privacy,
    names: Names,
    tenant: str | None,
    clock: Callable[[], float],
    wall: Callable[[], float],
) -> EventLog | None:
    """Return the log of a cache, over the recorder of a file, of a URL, or the one that is given; None for no records.

    A file or URL is opened when the first request is recorded; a warning says then what is wrong with it.

    Raises:
        RecordError: if the privacy is none, or of texts where nothing is recorded, or the tenant is no name that
            records have.
    """
    if records is None and privacy == "digest":
        return None
    from ...errors import RecordError
    from ..records.event import check_word
    from ..records.open_store import open_store
    from ..records.privacy import checked
    from ..records.recorder import Recorder

    if checked(privacy) == "text" and records is None:
        mend = 'say where, records="usage.sqlite3", or leave privacy= out'
        raise RecordError("privacy='text' without records=", "both: texts are a part of records", mend)
    if records is None:
        return None
    check_word("tenant", tenant or "")
    if isinstance(records, Recorder):
        return EventLog(records, False, privacy, names, tenant, clock, wall)
    recorder = Recorder(lambda: open_store(records, privacy=privacy))
    return EventLog(recorder, True, privacy, names, tenant, clock, wall)
