"""What a cache computes ahead in idle time: the speculation of a profile, with the cache's answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from ..errors import UsageError, short
from .profile.speculation import Keep, Propose, Speculation, Spent
from .upkeep import Upkeep

if TYPE_CHECKING:
    from .cache.answers import Answers

PAUSE = 0.05
"""Seconds between two looks at whether a cache is idle."""


class Ahead:
    """Computes answers ahead for a cache, in a thread of its own or where `step` is called.

    Args:
        answers: the cache's.
        propose: says what to compute, or `"repeat"`: last questions whose answers expired or were evicted.
        share: part of the time that may be spent.
        clock: the cache's.
        thread_time: seconds that the calling thread has computed.

    Raises:
        UsageError: if the share is not above 0 and at most 1, or `propose` is no function.
    """

    def __init__(
        self,
        answers: Answers,
        propose: Propose | str,
        share: float,
        clock: Callable[[], float],
        thread_time: Callable[[], float] = time.thread_time,
    ) -> None:
        if not 0.0 < share <= 1.0:
            given = f"speculate_share={short(share)}"
            raise UsageError(given, "a number above 0, at most 1", "give 0.2 for a fifth of the time")
        if propose != "repeat" and not callable(propose):
            given = f"speculate={short(propose)}"
            raise UsageError(given, 'a function of what was asked, or "repeat"', "return a Proposal, or None")
        self._answers, self._clock = answers, clock
        self.lock: AbstractContextManager[Any] = answers.contents.lock
        self._speculation = Speculation(
            self, None if isinstance(propose, str) else propose, share=share, clock=clock, thread_time=thread_time
        )
        self._upkeep: Upkeep | None = None
        answers.contents.asked = self._speculation.asked

    @property
    def spent(self) -> Spent:
        """What was computed ahead so far."""
        self._answers.contents.drain()  # hits may have used it
        return self._speculation.spent

    def start(self) -> None:
        """Have a thread compute ahead from now on, as long as somebody has the cache."""
        self._upkeep = Upkeep(PAUSE, share=1.0)  # the speculation bounds its own part
        self._upkeep.watch(self)

    def close(self) -> None:
        """Compute nothing ahead any more, and note no requests."""
        self._answers.contents.asked = None
        if self._upkeep is not None:
            self._upkeep.forget(self)

    def drain(self) -> None:
        """Do nothing quickly; all is done in `step`."""

    def lesson(self) -> Callable[[], None]:
        """Return the step."""
        return self.step

    def step(self) -> None:
        """Compute one answer ahead, if one is due."""
        self._answers.contents.drain()
        self._speculation.step()

    def forget(self, owner: int) -> None:
        """Forget an owner by the digest; with 0 all of them."""
        self._speculation.forget(owner)

    def name(self, key: Hashable) -> str | bytes:
        """Return what a question is found by within the process."""
        return self._answers.names.name(key)

    def holds(self, name: str | bytes) -> bool:
        """Return whether a fresh answer is held in memory."""
        entry = self._answers.contents.entries.get(name)
        return entry is not None and self._clock() < entry.fresh

    def requests(self) -> int:
        """Return the number of requests so far."""
        contents = self._answers.contents
        return contents.requests + len(contents.ring)

    def busy(self) -> bool:
        """Return whether an answer is being computed for a request."""
        return len(self._answers.flights) > 0

    def owner_id(self, owner: Hashable) -> int:
        """Return the digest of an owner."""
        return self._answers.names.owner(owner)

    def ahead(self, key: Hashable, owner: Hashable) -> AbstractContextManager[Keep]:
        """Give what keeps an answer that is computed in this context, unless it is invalidated meanwhile."""
        return self._answers.ahead(key, owner)
