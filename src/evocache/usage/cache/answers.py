"""How a question that memory does not answer is answered: by one in flight, by a tier below, or by computing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from inspect import isawaitable
from math import inf
from typing import Any, Literal, TypeAlias

from ...errors import UsageError
from ..keys.protection import protect
from ..keys.sizes import size_of
from ..warner import Warner
from .contents import Contents
from .entry import OVERHEAD, Entry, Question
from .lower_tiers import LowerTiers
from .names import Names
from .renewals import Renewals
from .single_flight import ATTEMPTS, Flight, Flights

Compute: TypeAlias = Callable[[], Any]


@dataclass
class Counts:
    """Counts what was done beside hits in memory."""

    computed: int = 0
    failed: int = 0
    unkept: int = 0
    seconds_saved: float = 0.0
    seconds_computed: float = 0.0


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
        self.ttl, self.stale, self.arrays, self.durable = ttl, stale, arrays, durable
        self.clock = clock
        self.flights = Flights()
        self.counts = Counts()
        self._warner = Warner()
        self._renewals = Renewals(self.flights, self._warner)

    def get(self, question: Question, compute: Compute) -> Any:
        """Return the answer to a question that memory did not answer at once."""
        for _ in range(ATTEMPTS):
            entry = self._held(question)
            if entry is not None:
                if self.clock() >= entry.fresh:
                    self._renewals.begin(question, lambda: self.compute(question, compute, asked=False)[1])
                return entry.give(entry.kept)
            flight, leads = self.flights.join(question.name)
            if leads:
                return self._lead(question, flight, compute)
            entry = self._landed(question, *flight.future.result())
            if entry is not None:
                return entry.give(entry.kept)
        return self.compute(question, compute)[0]

    async def aget(self, question: Question, compute: Compute) -> Any:
        """Return the answer as `get` does, in a coroutine."""
        for _ in range(ATTEMPTS):
            entry = self._held(question)
            if entry is not None:
                if self.clock() >= entry.fresh:
                    self._renewals.begin_task(question, lambda: self._arenew(question, compute))
                return entry.give(entry.kept)
            flight, leads = self.flights.join(question.name)
            if leads:
                return await self._alead(question, flight, compute)
            entry = self._landed(question, *await asyncio.shield(asyncio.wrap_future(flight.future)))
            if entry is not None:
                return entry.give(entry.kept)
        return (await self.acompute(question, compute))[0]

    def compute(self, question: Question, compute: Compute, *, asked: bool = True) -> tuple[Any, Entry | None]:
        """Compute an answer, which somebody asked for or not, and have it kept; None for the entry if it cannot be."""
        number, began = self._missed(question, compute) if asked else self.contents.requests, self.clock()
        try:
            value = compute()
        except BaseException:
            self._failed(question, began)
            raise
        return value, self._computed(question, value, began, number)

    async def acompute(self, question: Question, compute: Compute, *, asked: bool = True) -> tuple[Any, Entry | None]:
        """Compute an answer as `compute` does, in a coroutine."""
        number, began = self._missed(question) if asked else self.contents.requests, self.clock()
        try:
            value = compute()
            if isawaitable(value):
                value = await value
        except BaseException:
            self._failed(question, began)
            raise
        return value, self._computed(question, value, began, number)

    def put(self, question: Question, value: Any) -> bool:
        """Keep an answer that somebody else computed; return whether it is held in memory.

        Raises:
            UsageError: if it cannot be copied.
        """
        seconds = question.seconds
        if seconds is None:
            done = self.counts.computed
            seconds = self.counts.seconds_computed / done if done else 1.0
        kept, give = protect(value, self.arrays)
        return self._keep(question, kept, give, seconds, self.contents.missed()).held

    def keep_ahead(self, key: Hashable, owner: Hashable, value: Any, seconds: float) -> bool:
        """Keep an answer that nobody asked for yet, for an owner; return whether it is held in memory.

        Raises:
            UsageError: if the key has no encoding, or the answer cannot be copied.
        """
        kept, give = protect(value, self.arrays)
        question = Question(key, self.names.name(key), owner)
        return self._keep(question, kept, give, seconds, self.contents.requests).held

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

    def _lead(self, question: Question, flight: Flight, compute: Compute) -> Any:
        token = self.flights.lead(question.name)
        try:
            entry = self._from_below(question)
            value = None
            if entry is None:
                value, entry = self.compute(question, compute)
            else:
                value = entry.give(entry.kept)
            if entry is not None:
                flight.land(entry)
            return value
        finally:
            self.flights.led(token)
            self.flights.leave(question.name, flight)

    async def _alead(self, question: Question, flight: Flight, compute: Compute) -> Any:
        token = self.flights.lead(question.name)
        try:
            entry = await asyncio.to_thread(self._from_below, question) if self.below else None
            if entry is None:
                value, entry = await self.acompute(question, compute)
            else:
                value = entry.give(entry.kept)
            if entry is not None:
                flight.land(entry)
            return value
        finally:
            self.flights.led(token)
            self.flights.leave(question.name, flight)

    async def _arenew(self, question: Question, compute: Compute) -> Entry | None:
        return (await self.acompute(question, compute, asked=False))[1]

    def _failed(self, question: Question, began: float) -> None:
        self._count(failed=1)
        if self.contents.log is not None:
            self.contents.log.computed(question, "failed", 0, began, self.contents.decider)

    def _computed(self, question: Question, value: Any, began: float, number: int) -> Entry | None:
        took = self.clock() - began
        self._count(computed=1, seconds_computed=took)
        seconds = took if question.seconds is None else question.seconds
        try:
            kept, give = protect(value, self.arrays)
        except UsageError as error:
            self._count(unkept=1)
            self._warner.warn(f"unkept {type(value)}", f"an answer is not kept: {error}")
            return None
        entry = self._keep(question, kept, give, seconds, number)
        if self.contents.log is not None:
            self.contents.log.computed(question, "miss", entry.size, began, self.contents.decider)
        return entry

    def _keep(self, question: Question, kept: Any, give: Any, seconds: float, number: int) -> Entry:
        """Hold an answer, and write it below."""
        size = question.size if question.size is not None else size_of(kept)
        fresh, stale = self._until(self.ttl if question.ttl is None else question.ttl)
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
        self.contents.insert(entry, number)
        if self.below:
            self.below.put(question, kept, seconds, size, None if fresh == inf else fresh - self.clock())
            if self.durable:
                self.below.flush()
        return entry

    def _from_below(self, question: Question) -> Entry | None:
        """Return the answer of a tier below, which is held in memory from now on."""
        found = self.below.get(question)
        if found is None:
            return None
        kept, give = protect(found.value, self.arrays)
        fresh, stale = self._until(found.ttl)
        name = question.name
        owner, group = self.names.owner(question.owner), self.names.group(question.group)
        size = found.size + OVERHEAD
        entry = Entry(
            question.key, name, self.names.id(name), kept, give, size, found.seconds, owner, group, fresh, stale
        )
        self.contents.insert(entry, self._missed(question))
        self._count(seconds_saved=found.seconds)
        if self.contents.log is not None:
            self.contents.log.below(question, entry, found.tier, self.contents.decider)
        return entry

    def _until(self, ttl: float | None) -> tuple[float, float]:
        """Return until when an answer is fresh, and until when it may be given at all."""
        return (inf, inf) if ttl is None else (self.clock() + ttl, self.clock() + ttl + self.stale)

    def _count(self, **more: float) -> None:
        with self.contents.lock:
            for name, value in more.items():
                setattr(self.counts, name, getattr(self.counts, name) + value)
