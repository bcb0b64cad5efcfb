"""A record of each picture or film that is asked for: digests and figures, its text only where that is agreed to."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from ...errors import Error
from ...usage.cache.event_log import text_of
from ...usage.patterns.drift import Drift, TwoHalves
from ...usage.records.event import Event
from ...usage.records.open_store import open_store
from ...usage.records.recorder import Recorder
from .keys import Keys, Question

log = logging.getLogger("evocache.serve")

FILE = "usage.db"
"""Name of the file of records, in the server's folder."""


CONTEXT = 128
"""Most characters of a context."""

HITS: Mapping[str, bool] = {"hit": True, "joined": True, "miss": False}
"""Whether an answer was there, or on its way, when it was asked for; of other kinds that says nothing."""

CHANGES = 20
"""Most changes of usage that are remembered."""


class Note:
    """What is noted of one picture that is asked for, once, when it is over.

    Args:
        records: writes it down.
        question: what is asked for.
        text: the prompt, where its owner agreed to that; None otherwise.
    """

    def __init__(self, records: Records, question: Question, text: str | None) -> None:
        self._records, self._question, self._text = records, question, text
        self._came, self._began = time.time(), time.perf_counter()
        self.ended = False

    def end(
        self,
        kind: str,
        seconds: Mapping[str, float] | None = None,
        *,
        size: int = 0,
        saved: float = 0.0,
        tier: str = "",
        point: str = "",
    ) -> None:
        """Note how it was answered; once noted, that stays.

        Args:
            kind: one of `usage.records.event.KINDS`.
            seconds: by stage; all of it as `wait`, if not given.
            size: bytes of the answer.
            saved: seconds of computing that were saved.
            tier: that answered.
            point: label of the front's point.
        """
        if self.ended:
            return
        self.ended = True
        took = {"wait": time.perf_counter() - self._began} if seconds is None else seconds
        self._records.write(self._question, self._came, kind, took, size, saved, tier, point, self._text)


class Records:
    """Writes records, behind those who ask; `evocache usage report` reads them.

    Args:
        keys: make digests.
        where: a file or a URL; None keeps them in memory.
    """

    def __init__(self, keys: Keys, where: str | Path | None = None) -> None:
        self._keys = keys
        self.counts: Counter[str] = Counter()
        """Of all requests so far, by how they were answered."""
        self.saved = 0.0
        """Seconds of computing that were saved so far."""
        self.drift = Drift(hits=TwoHalves(), popularity=TwoHalves(), most=CHANGES)
        """When the hit rate, and what is popular, changed."""
        self._recorder = Recorder(partial(open_store, where, privacy="text"))  # of those alone who agreed: see `write`

    def note(self, question: Question, *, learn: bool) -> Note:
        """Return what is noted of a question, whose text is kept if its owner agreed to that."""
        return Note(self, question, text_of(question.prompt) if learn else None)

    def write(
        self,
        question: Question,
        came: float,
        kind: str,
        seconds: Mapping[str, float],
        size: int,
        saved: float,
        tier: str,
        point: str,
        text: str | None,
    ) -> None:
        """Write an event down; one that is none, for whatever reason, is left out and harms nobody."""
        digester = self._keys.digester(question.tenant)
        self.counts[kind] += 1
        self.saved += saved
        try:
            event = Event(
                came,
                question.tenant,
                question.asked,
                kind,
                owner=digester.owner(question.owner or None),
                group=bytes.fromhex(question.group),
                context=f"{question.context} {point}"[:CONTEXT].rstrip(),
                tier=tier,
                seconds={stage: max(0.0, took) for stage, took in seconds.items()},
                size=size,
                saved=saved,
                seeded=question.seeded,
                text=text,
            )
        except Error as error:
            log.warning("a request is not recorded: %s", error)
            return
        self.drift.add(self.counts.total(), HITS.get(kind), event.group, came)
        self._recorder.record(event)

    def close(self) -> None:
        """Write what waits, and close the store."""
        self._recorder.close()
