"""The door: who is let in. A place is taken before anything else is done, and given back whatever happens."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ...errors import Error
from ...units import format_bytes
from .backlog import Backlog, Entry, Group
from .front_control import FrontController
from .predict.capacity import Capacity
from .rates import Quota, Rates, Reading
from .refusal import LONGEST, Refused
from .shares import Owner
from .ticket import Demand, Ticket

EPSILON = 1e-9

SOON = 5.0
"""Seconds after which another server, or another worker, may be there."""

EXTRA = 1.0
"""Generations above the limit that are kept for those who have less of the line than others, and go before these."""


@dataclass(frozen=True)
class DoorSettings:
    """How much is let in at a time, whatever it takes to compute.

    Attributes:
        requests: most generations that are not over, and requests that are read.
        bytes: most bytes of the pictures that came with them.
        free: share of the limit up to which nobody is asked whether it has more than an even share.

    Raises:
        Error: if one of them is out of range.
    """

    requests: int = 512
    bytes: int = 512 * 1024 * 1024
    free: float = 0.25

    def __post_init__(self) -> None:
        if self.requests < 1 or self.bytes < 0 or not 0 <= self.free <= 1:
            given = f"requests={self.requests}, bytes={self.bytes}, free={self.free:g}"
            raise Error(given, "at least one request, no negative bytes, a share", "leave them out for the usual ones")


class Door:
    """Lets requests in, or refuses them and says when to come back.

    Args:
        settings: how much is let in.
        backlog: what was let in.
        capacity: how fast that is done.
        controllers: of models, with their limits.
        quota: what an owner's account may ask for.

    Attributes:
        settings: how much is let in.
        rates: quotas of accounts.
        closed: whether the server ends.
        forsaken: why the server has no worker and will have none, in words; empty if it has, or may have.
        refused: counts of refusals, by their reason.
        bytes: of the pictures that were let in.
        reading: bodies that are read.
    """

    def __init__(
        self,
        settings: DoorSettings,
        backlog: Backlog,
        capacity: Capacity,
        controllers: Mapping[str, FrontController],
        quota: Callable[[Owner], Quota],
    ) -> None:
        self.settings, self.rates = settings, Rates()
        self.closed, self.forsaken = False, ""
        self.refused: Counter[str] = Counter()
        self.bytes, self.reading = 0, Reading()
        self._backlog, self._capacity, self._controllers, self._quota = backlog, capacity, controllers, quota

    def enter(self, demand: Demand, now: float) -> Ticket:
        """Let a request in: its place is taken when this returns.

        Args:
            demand: what it asks for.
            now: by the clock.

        Raises:
            Refused: if it is not let in.
        """
        try:
            self._check(demand, now)
        except Refused as refused:
            self.refused[refused.reason] += 1
            raise
        return self._let_in(demand, now)

    @property
    def open(self) -> bool:
        """Whether anybody is let in: the server does not end, and has workers, or may have some."""
        return not (self.closed or self.forsaken)

    def check_open(self) -> None:
        """Refuse everybody where nobody is let in any more.

        Raises:
            Refused: if the server ends, or has no worker and will have none.
        """
        if self.closed:
            raise Refused("draining", "a request to a server that ends", "one that goes on", SOON, status=503)
        if self.forsaken:
            given = f"a request to a server whose workers have all been given up ({self.forsaken})"
            raise Refused("workers", given, "one that is ready", LONGEST, status=503)

    def _check(self, demand: Demand, now: float) -> None:
        self.check_open()
        self._check_room(demand)
        self._check_quota(demand, self._quota(demand.owner), now)
        if demand.group is None:
            return
        if not self._capacity.workers:
            raise Refused("workers", "a request to a server without a worker", "one that is ready", SOON, status=503)
        came = [self._capacity.seconds(demand.count * seconds) for seconds in demand.levels]
        self._controllers[demand.group.model].arrive(now, came)
        self._check_work(demand, demand.group, now)
        self._check_deadline(demand, demand.group)

    def _let_in(self, demand: Demand, now: float) -> Ticket:
        entries = []
        self.bytes += demand.bytes
        if demand.group is None:
            self.reading.add(demand.owner.account, 1, demand.bytes)
        else:
            entries = [Entry(demand.group, demand.owner, demand.levels) for _ in range(demand.count)]
            for entry in entries:
                self._backlog.add(entry)
            self.rates.charge(now, demand.owner.account, demand.count, demand.least)
        return Ticket(self, demand, entries)

    def grow(self, demand: Demand, bytes: int) -> None:
        """Let more of a body in that is read.

        Raises:
            Refused: if there is no room for it.
        """
        try:
            self._check_room(replace(demand, count=0, bytes=bytes))
        except Refused as refused:
            self.refused[refused.reason] += 1
            raise
        self.bytes += bytes
        self.reading.add(demand.owner.account, 0, bytes)

    def leave(self, demand: Demand, entries: list[Entry], *, refund: bool = True) -> None:
        """Give a place back.

        Args:
            demand: that was let in.
            entries: of what was not begun.
            refund: whether the seconds of these are given back to the quota.
        """
        account = demand.owner.account
        self.bytes -= demand.bytes
        if demand.group is None:
            self.reading.add(account, -1, -demand.bytes)
        for entry in entries:
            self._backlog.remove(entry)
            if refund:
                self.rates.refund(account, entry.least)

    def _check_room(self, demand: Demand) -> None:
        """Refuse what the memory of the server is not meant for."""
        rest = _soon(self._capacity.seconds(self._backlog.rest))
        had = len(self._backlog) + len(self.reading)
        if had + demand.count > self.settings.requests:
            never = demand.count > self.settings.requests
            expected = f"at most {self.settings.requests} at a time"
            raise Refused("requests", f"{demand.count} beside {had} that are open", expected, None if never else rest)
        if self.bytes + demand.bytes > self.settings.bytes:
            never = demand.bytes > self.settings.bytes
            given = f"{format_bytes(demand.bytes)} of pictures beside {format_bytes(self.bytes)}"
            expected = f"at most {format_bytes(self.settings.bytes)} at a time"
            raise Refused("bytes", given, expected, None if never else rest)
        if demand.group is None:
            most, account = self.settings, demand.owner.account
            self.reading.check(account, demand.count, demand.bytes, requests=most.requests, most=most.bytes, wait=rest)

    def _check_quota(self, demand: Demand, quota: Quota, now: float) -> None:
        account, count = demand.owner.account, demand.count
        had = self._backlog.size(demand.owner)
        if quota.queued is not None and had + count > quota.queued:
            wait = None if count > quota.queued else self._capacity.seconds(self._backlog.rest)
            given, expected = f"{count} beside {had} that are open", f"at most {quota.queued} of a key"
            raise Refused("quota", given, expected, _soon(wait))
        if demand.group is None:
            return
        text, wait = self.rates.wait(now, account, quota, count, demand.least)
        if wait is None or wait > 0:
            raise Refused("quota", f"more than the key's {text}", f"at most {text}", wait)

    def _check_work(self, demand: Demand, group: Group, now: float) -> None:
        """Refuse what would wait too long, and before that, what is more than an even share of what waits."""
        controller, rate = self._controllers[group.model], self._capacity.rate
        patience = controller.settings.patience if group.patient else 1.0
        limit, generation = controller.limit * patience * rate, controller.generation * patience * rate
        waiting, own = self._backlog.waiting(group), demand.least
        above = waiting + own - self.settings.free * limit
        excess = self._backlog.excess(group, demand.owner, own)
        if waiting > 0 and above > EPSILON and excess > EPSILON:
            given = f"{excess / rate:.2g} s of work more than an even share of what waits"
            raise Refused("share", given, "at most an even share", min(above, excess) / rate)
        work = self._work(demand, group)
        # who fills the line does not shut others out: these have their turns before it
        turn = work - waiting - own + self._backlog.turn(group, demand.owner, own)
        over = max(turn - limit, work - limit - EXTRA * generation)
        if over > EPSILON and (waiting > 0 or own <= limit):  # what is longer than the limit is let in where none waits
            if not group.patient:
                controller.shed(now, work / rate)
            wait = over if own <= limit else waiting
            given, expected = f"{(limit + over) / rate:.3g} s of work", f"at most {limit / rate:.3g} s"
            raise Refused("work", given, expected, wait / rate)

    def _work(self, demand: Demand, group: Group) -> float:
        """Predicted seconds of work until a request would be over: what is there, its own, and what runs beside it.

        Where workers are full, half of those that it runs beside came after it.
        """
        ahead = self._backlog.ahead(group, -1, demand.least)
        others = max(0.0, ahead - demand.least)
        return ahead + min(demand.levels[-1] * (self._capacity.room - 1), others) / 2

    def _check_deadline(self, demand: Demand, group: Group) -> None:
        """Refuse what cannot be in time at its least point."""
        if demand.deadline is None:
            return
        alone = self._capacity.alone(demand.alone) + self._capacity.seconds(demand.least - demand.levels[-1])
        end = self._capacity.seconds(self._backlog.ahead(group, -1)) + alone
        if end > demand.deadline:
            wait = end - demand.deadline if alone <= demand.deadline else None
            raise Refused("deadline", f"a deadline in {demand.deadline:.3g} s", f"one of at least {end:.3g} s", wait)


def _soon(seconds: float | None) -> float | None:
    """Seconds until a place is free, as far as that is known: until what runs is over, but at least one."""
    return seconds if seconds is None else max(1.0, seconds) if math.isfinite(seconds) else 1.0
