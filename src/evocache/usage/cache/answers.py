"""How a question that memory does not answer is answered: by one in flight, by a tier below, or by computing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from inspect import isawaitable
from math import inf
from typing import Any, Literal, TypeAlias

from ...errors import UsageError
from ..keys.protection import protect
from ..keys.sizes import size_of
from ..warner import Warner
from .contents import Contents
from .entry import OVERHEAD, Entry, Question, check_figure, ends
from .event_log import Counts
from .lower_tiers import LowerTiers
from .names import Names
from .renewals import Renewals
from .single_flight import ATTEMPTS, Flight, Flights

Compute: TypeAlias = Callable[[], Any]


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
        arrays: Literal["copy", "read-only"],
        durable: bool,
        clock: Callable[[], float],
    ) -> None:
        self.contents, self.names, self.below = contents, names, below
        check_figure("ttl", ttl, inf)
        check_figure("stale", stale, inf)
        self.ttl, self.stale, self.arrays, self.durable = ttl, stale, arrays, durable
        self.clock = clock
        self.flights = Flights()
        self.counts = Counts()
        self._warner = Warner()
        self._renewals = Renewals(self.flights, self._warner)

    def get(self, question: Question, compute: Compute) -> Any:
        """Return the answer to a question that memory did not answer at once; a wrong owner or figure is refused."""
        question.check(self.names)
        for _ in range(ATTEMPTS):
            entry = self._held(question)
            if entry is not None:
                if self.clock() >= entry.fresh:
                    self._renewals.begin(question, lambda flight: self.compute(flight, compute, asked=False)[1])
                return entry.give(entry.kept)
            flight, leads = self.flights.join(question, blocks=True)
            if leads:
                return self._lead(flight, compute)
            entry = self._landed(question, *self.flights.wait(flight))
            if entry is not None:
                return entry.give(entry.kept)
        return self._lead(self.flights.beside(question), compute)

    async def aget(self, question: Question, compute: Compute) -> Any:
        """Return the answer as `get` does, in a coroutine."""
        question.check(self.names)
        for _ in range(ATTEMPTS):
            entry = self._held(question)
            if entry is not None:
                if self.clock() >= entry.fresh:
                    self._renewals.begin_task(question, lambda flight: self._arenew(flight, compute))
                return entry.give(entry.kept)
            flight, leads = self.flights.join(question, blocks=False)
            if leads:
                return await self._alead(flight, compute)
            entry = self._landed(question, *await self.flights.await_(flight))
            if entry is not None:
                return entry.give(entry.kept)
        return await self._alead(self.flights.beside(question), compute)

    def compute(self, flight: Flight, compute: Compute, *, asked: bool = True) -> tuple[Any, Entry | None]:
        """Compute an answer, which somebody asked for or not, and have it kept; None for the entry if it cannot be."""
        question = flight.question
        number, began = self._missed(question, compute) if asked else self.contents.requests, self.clock()
        try:
            value = compute()
        except BaseException:
            self._failed(question, began)
            raise
        return value, self._computed(flight, value, began, number)

    async def acompute(self, flight: Flight, compute: Compute, *, asked: bool = True) -> tuple[Any, Entry | None]:
        """Compute an answer as `compute` does, in a coroutine."""
        question = flight.question
        number, began = self._missed(question) if asked else self.contents.requests, self.clock()
        try:
            value = compute()
            if isawaitable(value):
                value = await value
        except BaseException:
            self._failed(question, began)
            raise
        return value, self._computed(flight, value, began, number)

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
        return self._keep_given(question, kept, give, seconds, self.contents.missed())

    def keep_ahead(self, key: Hashable, owner: Hashable, value: Any, seconds: float) -> bool:
        """Keep an answer that nobody asked for yet, for an owner; return whether it is held in memory.

        Raises:
            UsageError: if the key has no encoding, or the answer cannot be copied.
        """
        kept, give = protect(value, self.arrays)
        question = Question(key, self.names.name(key), owner)
        return self._keep_given(question, kept, give, seconds, self.contents.requests)

    def close(self) -> None:
        """Wait for what is computed anew, and have everything written that is to be."""
        self._renewals.close()
        self.below.close()

    def _missed(self, question: Question, compute: Compute | None = None) -> int:
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
            self.contents.withdraw(entry, forget=False)
            return None
        kind = "stale" if now >= entry.fresh else "hit"
        self.contents.ring.append((self.contents.number(), entry, question.owner, now, kind))
        return entry

    def _landed(self, question: Question, found: bool, entry: Entry | None) -> Entry | None:
        """Return what a flight that was joined found; None if it has to be found otherwise."""
        if not found or entry is None:
            return None
        self.contents.ring.append((self.contents.number(), entry, question.owner, self.clock(), "joined"))
        return entry

    def _lead(self, flight: Flight, compute: Compute) -> Any:
        token = self.flights.lead(flight)
        try:
            entry = self._from_below(flight)
            if entry is None:
                value, entry = self.compute(flight, compute)
            else:
                value = entry.give(entry.kept)
            if entry is not None:
                flight.land(entry)
            return value
        finally:
            self.flights.led(token)
            self.flights.leave(flight)

    async def _alead(self, flight: Flight, compute: Compute) -> Any:
        token = self.flights.lead(flight)
        try:
            entry = await asyncio.to_thread(self._from_below, flight) if self.below else None
            if entry is None:
                value, entry = await self.acompute(flight, compute)
            else:
                value = entry.give(entry.kept)
            if entry is not None:
                flight.land(entry)
            return value
        finally:
            self.flights.led(token)
            self.flights.leave(flight)

    async def _arenew(self, flight: Flight, compute: Compute) -> Entry | None:
        return (await self.acompute(flight, compute, asked=False))[1]

    def _failed(self, question: Question, began: float) -> None:
        self._count(failed=1)
        if (log := self.contents.log) is not None:
            log.computed(question, "failed", 0, began, self.contents.decider)

    def _computed(self, flight: Flight, value: Any, began: float, number: int) -> Entry | None:
        question = flight.question
        took = self.clock() - began
        self._count(computed=1, seconds_computed=took)
        seconds = took if question.seconds is None else question.seconds
        try:
            kept, give = protect(value, self.arrays)
        except UsageError as error:
            self._count(unkept=1)
            self._warner.warn(f"unkept {type(value)}", f"an answer is not kept: {error}")
            return None
        entry = self._keep(flight, kept, give, seconds, number)
        if (log := self.contents.log) is not None:
            log.computed(question, "miss", entry.size, began, self.contents.decider)
        return entry

    def _keep_given(self, question: Question, kept: Any, give: Any, seconds: float, number: int) -> bool:
        flight = self.flights.beside(question)
        try:
            return self._keep(flight, kept, give, seconds, number).held
        finally:
            self.flights.leave(flight)

    def _keep(self, flight: Flight, kept: Any, give: Any, seconds: float, number: int) -> Entry:
        """Hold an answer, and write it below, unless it was invalidated meanwhile or is old from the beginning."""
        question = flight.question
        size = question.size if question.size is not None else size_of(kept)
        fresh, stale = ends(self.clock(), self.ttl if question.ttl is None else question.ttl, self.stale)
        entry = Entry(
            question.key,
            question.name,
            self.names.id(question.name),
            kept,
            give,
            size + OVERHEAD,
            seconds,
            self.names.owner(question.owner),
            self.names.group(question.group),
            fresh,
            stale,
        )
        if self._insert(flight, entry, number) and self.below:
            self.below.put(question, kept, seconds, size, None if fresh == inf else fresh - self.clock())
            if flight.void:  # just now: its deletion may have come before
                self.below.delete(question.name)
            if self.durable:
                self.below.flush()
        return entry

    def _insert(self, flight: Flight, entry: Entry, number: int) -> bool:
        """Hold the answer that a flight found; return whether it may be written below as well."""
        with self.contents.lock:
            if flight.void or entry.stale <= self.clock():
                entry.held = False
                return False
            self.contents.insert(entry, number)
            return True

    def _from_below(self, flight: Flight) -> Entry | None:
        """Return the answer of a tier below, which is held in memory from now on."""
        question = flight.question
        found = self.below.get(question)
        if found is None:
            return None
        kept, give = protect(found.value, self.arrays)
        fresh, stale = ends(self.clock(), found.ttl, self.stale)
        name = question.name
        owner, group = self.names.owner(question.owner), self.names.group(question.group)
        size = found.size + OVERHEAD
        entry = Entry(
            question.key, name, self.names.id(name), kept, give, size, found.seconds, owner, group, fresh, stale
        )
        self._insert(flight, entry, self._missed(question))
        if flight.void:  # the nearer tiers may have been given it again
            self.below.delete(name)
        self._count(seconds_saved=found.seconds)
        if (log := self.contents.log) is not None:
            log.below(question, entry, found.tier, self.contents.decider)
        return entry

    def _count(self, **more: float) -> None:
        with self.contents.lock:
            for name, value in more.items():
                setattr(self.counts, name, getattr(self.counts, name) + value)
