"""Speculation: computing ahead, while nobody asks, what an owner will probably ask for next.

Where the probability that an owner asks the last question again is high enough, a user's function says what to compute
for that; without one, the last question's answer is computed anew where it expired or was evicted. Nothing of this
reaches a request: errors are warned of, a request that comes stops the work at its next `yield`, and the thread's time
that is spent is a bounded part of the time that goes by.
"""

from __future__ import annotations

import inspect
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ..late import refuse_changed
from ..warner import Warner
from .habits import Habits

THRESHOLD = 0.15
"""Least probability that an owner asks the last question again at which something is computed for that."""

KNOWN = 1_000
"""Most owners whose last questions are remembered, and most answers computed ahead that are watched for their use."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Holds the last question of an owner.

    Attributes:
        key: as its user wrote it.
        owner: who asked.
        probability: that the owner asks it again.
        compute: computes its answer; None where it is not known.
        name: what the question is found by within the process.
    """

    key: Hashable
    owner: Hashable
    probability: float = 0.0
    compute: Callable[[], Any] | None = None
    name: str | bytes = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Says what to compute ahead.

    Attributes:
        key: the question.
        compute: computes its answer; a generator function may be stopped at each `yield`, and returns the answer.
    """

    key: Hashable
    compute: Callable[[], Any]


Propose = Callable[[Asked], Proposal | None]
"""Says what to compute for an owner who probably asks the last question again; None for nothing."""


Keep = Callable[[Any, float], bool]
"""Keeps an answer that took so many seconds, and returns whether it is held now."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Says what was computed ahead.

    Attributes:
        proposals: number of answers that were begun.
        used: number of those that were asked for.
        seconds: what all of it took, by the thread's own time.
        seconds_used: the part of answers that were asked for.
        seconds_wasted: the part of what was stopped, failed, or left before it was asked for.
    """

    proposals: int = 0
    used: int = 0
    seconds: float = 0.0
    seconds_used: float = 0.0
    seconds_wasted: float = 0.0


class Holder(Protocol):
    """Holds answers: the cache that is computed ahead for."""

    lock: AbstractContextManager[Any]
    """Is held by whoever tells of requests."""

    def name(self, key: Hashable) -> str | bytes:
        """Return what a question is found by within the process."""

    def holds(self, name: str | bytes) -> bool:
        """Return whether a fresh answer is held; that counts as no request."""

    def requests(self) -> int:
        """Return the number of requests so far, those in flight among them."""

    def busy(self) -> bool:
        """Return whether an answer is being computed for a request."""

    def owner_id(self, owner: Hashable) -> int:
        """Return the digest of an owner."""

    def ahead(self, key: Hashable, owner: Hashable) -> AbstractContextManager[Keep]:
        """Give what keeps an answer that is computed in this context: not where it is invalidated meanwhile."""


class Speculation:
    """Computes ahead, one proposal at a time, within a share of the time that goes by.

    Args:
        holder: the cache.
        propose: says what to compute; None to compute last questions anew that expired or were evicted.
        share: part of the time that may be spent, above 0 and at most 1: seconds of the thread by seconds of the clock.
        threshold: least probability at which something is computed.
        clock: seconds, on a clock that never goes back.
        thread_time: seconds that the calling thread has computed.
    """

    def __init__(
        self,
        holder: Holder,
        propose: Propose | None = None,
        *,
        share: float = 0.2,
        threshold: float = THRESHOLD,
        clock: Callable[[], float] = time.monotonic,
        thread_time: Callable[[], float] = time.thread_time,
    ) -> None:
        self.habits = Habits(KNOWN)
        self.spent = Spent()
        self._holder, self._propose = holder, propose
        self._share, self._threshold = share, threshold
        self._clock, self._thread_time = clock, thread_time
        self._last: OrderedDict[int, Asked] = OrderedDict()
        """Last questions for which nothing was computed yet, by owner."""
        self._ahead: OrderedDict[str | bytes, tuple[float, int]] = OrderedDict()
        """Seconds of answers that were computed ahead and not asked for yet, and owners, by question."""
        self._not_before = clock()
        self._seen = holder.requests()
        self._forgotten = 0
        """How often an owner was forgotten."""
        self._warner = Warner()

    def asked(
        self, name: str | bytes, key: Hashable, owner: Hashable | None, compute: Callable[[], Any] | None = None
    ) -> None:
        """Note a request, its owner's last question from now on. The caller holds the lock."""
        ahead = self._ahead.pop(name, None)
        if ahead is not None:
            self._spend(used=1, seconds_used=ahead[0])
        if owner is None:
            return
        who = self._holder.owner_id(owner)
        former = self._last.pop(who, None)
        if compute is None and former is not None and former.name == name:
            compute = former.compute
        self.habits.note(who, hash(name))
        self._last[who] = Asked(key, owner, self.habits.forecast(who).probability, compute, name)
        if len(self._last) > KNOWN:
            self._last.popitem(last=False)

    def forget(self, owner: int) -> None:
        """Forget an owner by the digest, habits and the last question; with 0 all of them."""
        with self._holder.lock:
            self._forgotten += 1
            for who in [*self._last] if not owner else [owner]:
                self.habits.forget(who)
                self._last.pop(who, None)
            if not owner:
                self.habits = Habits(KNOWN)
            for name in [name for name, (_, who) in self._ahead.items() if not owner or who == owner]:
                self._waste(name)

    def step(self) -> bool:
        """Compute one answer ahead, if one is due; return whether it is held now. Nothing is raised.

        Nothing is due while requests came since the last step, or before the time spent is a small enough part again.
        """
        requests = self._holder.requests()
        quiet, self._seen = requests == self._seen, requests
        if not quiet or self._holder.busy() or self._clock() < self._not_before:
            return False
        began = self._thread_time()
        try:
            return self._work(requests)
        except Exception as error:
            kind = type(error).__name__
            self._warner.warn(kind, f"an answer could not be computed ahead: {kind}: {error}")
            return False
        finally:
            spent = max(self._thread_time() - began, 0.0)
            self._not_before = self._clock() + spent * (1.0 / self._share - 1.0)

    def _work(self, requests: int) -> bool:
        with self._holder.lock:
            for name in [name for name in self._ahead if not self._holder.holds(name)]:
                self._waste(name)
            forgotten = self._forgotten
        found = self._next()
        if found is None or self._holder.requests() != requests:
            return False
        asked, proposal = found
        with self._holder.ahead(proposal.key, asked.owner) as keep:
            if self._forgotten != forgotten:  # perhaps this owner, before anybody knew what is computed
                return False
            return self._compute(asked, proposal, requests, keep)

    def _compute(self, asked: Asked, proposal: Proposal, requests: int, keep: Keep) -> bool:
        began, at = self._thread_time(), self._clock()
        self._spend(proposals=1)
        held = False
        try:
            refuse_changed(proposal.compute, late=True)
            done, value = self._run(proposal.compute, requests)
            refuse_changed(proposal.compute, late=True)
            held = done and keep(value, self._clock() - at)
        finally:
            seconds = max(self._thread_time() - began, 0.0)
            with self._holder.lock:
                self._spend(seconds=seconds, seconds_wasted=0.0 if held else seconds)
                if held:
                    self._ahead[self._holder.name(proposal.key)] = seconds, self._holder.owner_id(asked.owner)
                if len(self._ahead) > KNOWN:
                    self._waste(next(iter(self._ahead)))
        return held

    def _next(self) -> tuple[Asked, Proposal] | None:
        """Return what to compute for the owner who most probably asks again; that one's turn is over then."""
        with self._holder.lock:
            waiting = [(who, asked) for who, asked in self._last.items() if asked.probability >= self._threshold]
        for who, asked in sorted(waiting, key=lambda pair: -pair[1].probability):
            if self._propose is None and (asked.compute is None or self._holder.holds(asked.name)):
                continue  # its turn comes when the answer expires or is evicted
            with self._holder.lock:
                if self._last.get(who) is asked:
                    del self._last[who]
            if self._propose is not None:
                proposal = self._propose(asked)
            elif asked.compute is not None:
                proposal = Proposal(asked.key, asked.compute)
            if proposal is not None and not self._holder.holds(self._holder.name(proposal.key)):
                return asked, proposal
        return None

    def _run(self, compute: Callable[[], Any], requests: int) -> tuple[bool, Any]:
        """Return whether an answer was computed to its end, and the answer."""
        found = compute()
        if not inspect.isgenerator(found):
            return True, found
        try:
            while True:
                next(found)
                if self._holder.requests() != requests:
                    found.close()
                    return False, None
        except StopIteration as end:
            return True, end.value

    def _waste(self, name: str | bytes) -> None:
        self._spend(seconds_wasted=self._ahead.pop(name)[0])

    def _spend(self, **more: float) -> None:
        with self._holder.lock:
            spent = self.spent
            self.spent = replace(spent, **{name: getattr(spent, name) + value for name, value in more.items()})
