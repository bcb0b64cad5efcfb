"""Load in virtual time: requests at random, and what became of each."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from evocache.serve.control.dispatch import Dispatcher
from evocache.serve.control.points import PointWishes
from evocache.serve.control.refusal import Refused
from evocache.serve.control.shares import Owner
from evocache.serve.workers.updates import Made

from .stub import task

CAPACITY = 2.43
"""Pictures a second that a stub worker makes uncached."""


@dataclass
class Sent:
    """A request, and what became of it."""

    owner: Owner
    came: float
    took: float | None = None
    refused: Refused | None = None
    quality: float | None = None
    speedup: float = 1.0
    back: float | None = None
    level: int | None = None


@dataclass
class Log:
    """All that was sent."""

    sent: list[Sent] = field(default_factory=list)

    def of(self, *keys: str) -> Log:
        """What some keys sent."""
        return Log([one for one in self.sent if one.owner.key in keys])

    @property
    def served(self) -> list[Sent]:
        return [one for one in self.sent if one.took is not None]

    @property
    def share(self) -> float:
        return len(self.served) / len(self.sent)

    def percentile(self, share: float = 0.99) -> float:
        """Seconds within which so many of the served were."""
        took = sorted(one.took for one in self.served if one.took is not None)
        return took[min(len(took) - 1, int(share * len(took)))]


async def ask(dispatcher: Dispatcher, log: Log, owner: Owner, wishes: PointWishes | None = None) -> Sent:
    """Ask for a picture as the server does."""
    clock = asyncio.get_running_loop().time
    wanted, wishes = task(), wishes or PointWishes()
    sent = Sent(owner, clock())
    log.sent.append(sent)
    try:
        with dispatcher.enter(wanted, wishes, owner) as ticket:
            run = dispatcher.submit(wanted, wishes, owner, ticket)
            end = await run
    except Refused as refused:
        sent.refused = refused
        return sent
    assert isinstance(end, Made)
    sent.took = clock() - sent.came
    sent.quality, sent.speedup = (None, 1.0) if run.point is None else (run.point.quality, run.point.speedup)
    sent.level = run.level
    return sent


async def send(dispatcher: Dispatcher, rates: Sequence[tuple[Owner, float]], seconds: float, seed: int = 1) -> Log:
    """Send requests at random (Poisson) at some a second for each owner, and wait for what became of them."""
    log, chance, total = Log(), random.Random(seed), sum(rate for _, rate in rates)
    owners, weights = [owner for owner, _ in rates], [rate for _, rate in rates]
    loop = asyncio.get_running_loop()
    until, open_ = loop.time() + seconds, []
    while True:
        await asyncio.sleep(chance.expovariate(total))
        if loop.time() >= until:
            break
        owner = chance.choices(owners, weights)[0]
        open_.append(asyncio.ensure_future(ask(dispatcher, log, owner)))
    await asyncio.gather(*open_)
    return log
