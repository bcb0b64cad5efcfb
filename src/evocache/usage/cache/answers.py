"""How a question that memory does not answer is answered: by one in flight, by a tier below, or by computing."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import Any

from ...errors import UsageError
from ..keys.protection import Arrays, checked_arrays, protect
from ..keys.sizes import size_of
from ..late import refuse_changed
from ..warner import Warner
from .contents import Contents
from .entry import OVERHEAD, Entry, Question, check_figure, ends, key_bytes
from .event_log import Counts
from .lower_tiers import LowerTiers
from .names import Names
from .renewals import Compute, Found, Renewals
from .single_flight import OVERDUE, Flight, Flights, Wait
from .steps import Blocking, Computed, Steps, arun, run


class Answers:
    """Answers questions, and has the answers kept.

    Args:
        contents: what is held in memory.
        names: of keys, owners and groups.
        below: tiers below memory.
        ttl: seconds that an answer is fresh; None for ever.
        stale: seconds beyond that for which it may be given while it is computed anew.
        arrays: whether numpy arrays are given as copies or cannot be changed.
        durable: whether an answer is written below before it is given.
        patience: seconds that one who asks waits for another who computes the same; None for ever.
        clock: seconds, on a clock that never goes back.
    """

    def __init__(
        self,
        contents: Contents,
        names: Names,
        below: LowerTiers,
        *,
        ttl: float | None,
        stale: float,
        arrays: Arrays,
        durable: bool,
        patience: float | None,
        clock: Callable[[], float],
    ) -> None:
        self.contents, self.names, self.below = contents, names, below
        for name, figure in (("ttl", ttl), ("stale", stale), ("patience", patience)):
            check_figure(name, figure, inf)
        self.ttl, self.stale, self.arrays, self.durable = ttl, stale, checked_arrays(arrays), durable
        self.patience = inf if patience is None else patience
        self.clock = clock
        self.flights = Flights(below.wall)
        self.counts = Counts()
        self._warner = Warner()
        self._renewals = Renewals(self.flights, self._warner)

    def get(self, question: Question, compute: Compute) -> Any:
        """Return the answer to a question that memory did not answer at once; a wrong owner or figure is refused."""
        return run(self._answer(question, compute, blocks=True))

    async def aget(self, question: Question, compute: Compute) -> Any:
        """Return the answer as `get` does, in a coroutine."""
        return await arun(self._answer(question, compute, blocks=False))

    def put(self, question: Question, value: Any) -> bool:
        """Keep an answer that somebody else computed; return whether it is held in memory.

        Raises:
            UsageError: if it cannot be copied.
        """
        question.check(self.names)
        seconds = question.seconds
        if seconds is None:
            done = self.counts.computed
            seconds = self.counts.seconds_computed / done if done else 1.0
        kept, give = protect(value, self.arrays)
        self.flights.void(lambda other: other.name == question.name)
        with self.flights.apart(question) as flight:
            return self._keep(flight, kept, give, seconds, self.contents.requests).held

    @contextmanager
    def ahead(self, key: Hashable, owner: Hashable) -> Iterator[Callable[[Any, float], bool]]:
        """Give what keeps an answer that is computed for an owner, in this context, though nobody asked for it yet.

        It is given the answer and the seconds that it took, and returns whether it is held in memory: not where it was
        invalidated since the context began.

        Raises:
            UsageError: if the key has no encoding, or the answer cannot be copied.
        """
        with self.flights.apart(Question(key, self.names.name(key), owner)) as flight:

            def keep(value: Any, seconds: float) -> bool:
                kept, give = protect(value, self.arrays)
                return self._keep(flight, kept, give, seconds, self.contents.requests).held

            yield keep

    def give(self, entry: Entry) -> tuple[bool, Any]:
        """Return whether an answer could be given, and what is given; one that cannot be copied any more is let go."""
        try:
            return True, entry.give(entry.kept)
        except Exception as error:
            self.spoil(entry, error)
            return False, None

    def spoil(self, entry: Entry, error: Exception) -> None:
        """Let an answer go that cannot be given."""
        self.contents.forget(entry.name, entry.id)
        told = f"an answer is computed anew, since it cannot be copied once more: {type(error).__name__}: {error}"
        self._warner.warn(f"ungiven {type(entry.kept)}", told)

    def close(self) -> None:
        """Wait for what is computed anew, and have everything written that is to be."""
        self._renewals.close()
        self.below.close()

    def _answer(self, question: Question, compute: Compute, *, blocks: bool) -> Steps[Any]:
        question.check(self.names)
        began = self.clock()
        while True:
            entry = self._held(question)
            if entry is not None:
                if self.clock() >= entry.fresh:
                    self._renewals.begin(question, compute, self._compute, blocks)
                given, value = self.give(entry)
                if given:
                    return value
            flight, leads = self.flights.join(question, blocks=blocks)
            if leads:
                return (yield from self._lead(flight, compute))
            found, entry = yield Wait(self.flights, flight, self.patience)
            if found and entry is not None:
                self.contents.ring.append((self.contents.number(), entry, question.owner, self.clock(), "joined"))
                given, value = self.give(entry)
                if given:
                    return value
            if flight.overdue:
                self._warner.warn("overdue", OVERDUE.format(self.patience))
            elif found or flight.alone or (flight.failed and self.clock() - began >= self.patience):
                break  # those who wait for one that failed, or was cancelled or late, follow one at a time
        return (yield from self._lead(self.flights.beside(question), compute))

    def _lead(self, flight: Flight, compute: Compute) -> Steps[Any]:
        token = self.flights.lead(flight)
        try:
            entry = (yield Blocking(lambda: self.from_below(flight))) if self.below else None
            given, value = (False, None) if entry is None else self.give(entry)
            if not given:
                value, entry = yield from self._compute(flight, compute)
            if entry is not None:
                flight.land(entry)
            flight.alone = entry is None
            return value
        finally:
            self.flights.led(token)
            self.flights.leave(flight)

    def _compute(self, flight: Flight, compute: Compute) -> Steps[Found]:
        """Compute an answer, which somebody asked for or not, and have it kept."""
        number = self.contents.requests if flight.late else self.missed(flight.question, compute)
        began = self.clock()
        try:
            value = yield Computed(compute)
        except BaseException as error:
            flight.failed = isinstance(error, Exception)
            self._failed(flight, began)
            raise
        return value, (yield from self._computed(flight, compute, value, began, number))

    def missed(self, question: Question, compute: Compute | None = None) -> int:
        """Note a request that found no entry, and return its number."""
        contents = self.contents
        with contents.lock:
            if contents.asked is not None:
                contents.drain()  # in their order
                contents.asked(question.name, question.key, question.owner, compute)
            return contents.missed()

    def _held(self, question: Question) -> Entry | None:
        """Return the entry of a question, which may be stale; one that is older is let go."""
        entry = self.contents.entries.get(question.name)
        if entry is None:
            return None
        now = self.clock()
        if now >= entry.stale:
            self.contents.expire(entry)
            return None
        kind = "stale" if now >= entry.fresh else "hit"
        self.contents.ring.append((self.contents.number(), entry, question.owner, now, kind))
        return entry

    def _failed(self, flight: Flight, began: float) -> None:
        self._count(failed=1)
        if (log := self.contents.log) is not None:
            log.computed(flight.question, "failed", 0, began, self.contents.decider)

    def _computed(self, flight: Flight, compute: Compute, value: Any, began: float, number: int) -> Steps[Entry | None]:
        """Have an answer kept; one that cannot be is warned of, and given all the same."""
        took = self.clock() - began
        self._count(computed=1, seconds_computed=took)
        entry, size = None, 0
        try:
            refuse_changed(compute, late=flight.late)
            kept, give = protect(value, self.arrays)
            seconds = flight.question.seconds
            entry, write = self._hold(flight, kept, give, took if seconds is None else seconds, number)
            size = entry.size
            if write is not None:
                yield Blocking(write)
        except Exception as error:
            self._count(unkept=1)
            told = error if isinstance(error, UsageError) else f"{type(error).__name__}: {error}"
            self._warner.warn(f"unkept {type(value)}", f"an answer is not kept: {told}")
        if (log := self.contents.log) is not None:
            log.computed(flight.question, "miss", size, began, self.contents.decider)
        return entry

    def _keep(self, flight: Flight, kept: Any, give: Any, seconds: float, number: int) -> Entry:
        """Hold an answer, and write it below."""
        entry, write = self._hold(flight, kept, give, seconds, number)
        if write is not None:
            write()
        return entry

    def _hold(
        self, flight: Flight, kept: Any, give: Any, seconds: float, number: int
    ) -> tuple[Entry, Callable[[], None] | None]:
        """Hold an answer that is neither invalidated nor old; return it, and what writes it below if it is to be."""
        question = flight.question
        size = question.size if question.size is not None else size_of(kept)
        entry = self._entry(question, kept, give, size, seconds, ends(self.clock(), self._ttl(question), self.stale))
        below = self._insert(flight, entry, number) and self.below
        return entry, partial(self._write, flight, entry, size) if below else None

    def _write(self, flight: Flight, entry: Entry, size: int) -> None:
        """Write an answer below."""
        ttl = None if entry.fresh == inf else entry.fresh - self.clock()
        self.below.put(flight.question, entry.kept, entry.seconds, size, ttl, flight.began)
        if flight.void:  # just now: its deletion may have come before
            self.below.delete(flight.question.name)
        if self.durable:
            self.below.flush()

    def _entry(
        self, question: Question, kept: Any, give: Any, size: int, seconds: float, times: tuple[float, float]
    ) -> Entry:
        names, name = self.names, question.name
        owner, group = names.owner(question.owner), names.group(question.group)
        size += OVERHEAD + key_bytes(question.key, name)
        return Entry(question.key, name, names.id(name), kept, give, size, seconds, owner, group, *times)

    def _insert(self, flight: Flight, entry: Entry, number: int) -> bool:
        """Hold the answer that a flight found; return whether it may be written below as well."""
        with self.contents.lock:
            if flight.void or entry.stale <= self.clock():
                entry.held = False
                return False
            self.contents.insert(entry, number)
            return True

    def from_below(self, flight: Flight) -> Entry | None:
        """Return the answer of a tier below, which is held in memory from now on; None where that fails."""
        question = flight.question
        try:
            found = self.below.get(question, self._ttl(question))
            if found is None:
                return None
            kept, give = protect(found.value, self.arrays)
            times = ends(self.clock(), found.ttl, self.stale)
            entry = self._entry(question, kept, give, found.size, found.seconds, times)
        except Exception as error:
            self._warner.warn("below", f"an answer in a tier is passed over: {type(error).__name__}: {error}")
            return None
        self._insert(flight, entry, self.missed(question))
        if flight.void:  # the nearer tiers may have been given it again
            self.below.delete(question.name)
        self._count(seconds_saved=found.seconds)
        if (log := self.contents.log) is not None:
            log.below(flight.question, entry, found.tier, self.contents.decider)
        return entry

    def _ttl(self, question: Question) -> float | None:
        """Return the seconds that the answer to a question is fresh."""
        return self.ttl if question.ttl is None else question.ttl

    def _count(self, **more: float) -> None:
        with self.contents.lock:
            for name, value in more.items():
                setattr(self.counts, name, getattr(self.counts, name) + value)
