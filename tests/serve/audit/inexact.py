"""A worker whose points are known to be so far from uncached, and an audit of it in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evocache.serve.audit.audit import Audit
from evocache.serve.audit.comparison import measure_quality
from evocache.serve.audit.samples import Samples
from evocache.serve.control.dispatch import Dispatcher
from evocache.serve.control.run import Run
from evocache.serve.control.shares import Owner
from evocache.serve.workers.card import ModelCard
from evocache.serve.workers.task import Picture, Task
from evocache.serve.workers.updates import Made, Update
from evocache.serve.workers.worker import Tell
from tests.serve.control import virtual
from tests.serve.control.stub import CARD, StubWorker, task

GREY = 100
"""What uncached pictures show."""

STEP_1 = 48.1308
"""PSNR of pictures that are a 255th apart, in dB: 20 log10 255."""


class InexactWorker(StubWorker):
    """Gives grey pictures; those of point n are n + 1 levels lighter than uncached."""

    def start(self, tell: Tell) -> Sequence[ModelCard]:
        def tell_pictures(id: str, update: Update) -> None:
            if isinstance(update, Made):
                asked = next(one for one in self.given if one.id == id)
                update = replace(update, picture=self.picture(asked))
            tell(id, update)

        return super().start(tell_pictures)

    def picture(self, asked: Task) -> Picture:
        level = GREY if asked.point is None else GREY + 1 + asked.point
        return Picture(bytes([level]) * 48, 4, 4)

    @property
    def audited(self) -> list[Task]:
        """What was begun for an audit."""
        return [one for one in self.given if one.id.startswith("audit")]


@dataclass
class Audited:
    """What a test looks at."""

    worker: InexactWorker
    dispatcher: Dispatcher
    audit: Audit

    def submit(self, owner: Owner | None = None, **arguments: Any) -> Run:
        """Ask for a picture, at the best point."""
        return self.dispatcher.submit(task(**arguments), owner=owner)

    async def until(self, true: Callable[[], object]) -> None:
        """Wait until something is so."""
        for _ in range(4000):
            if true():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it never was")

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """What operators are told of points."""
        return self.audit.figures()["points"]  # type: ignore[no-any-return]


async def compare(made: Picture, uncached: Picture) -> float:
    """Compare at once: virtual time does not wait for threads."""
    return measure_quality(made, uncached)


def audited(
    main: Callable[[Audited], Awaitable[None]],
    share: float = 1.0,
    *,
    samples: Samples | None = None,
    cards: Sequence[ModelCard] = (CARD,),
    secret: bytes = b"secret",
) -> None:
    """Run a test in virtual time, with an audit of a worker."""

    async def begin() -> None:
        loop = asyncio.get_running_loop()
        worker = InexactWorker(cards)
        dispatcher = Dispatcher(clock=loop.time, made=lambda run, made: audit.take(run, made))
        audit = Audit(dispatcher, share, secret=secret, samples=samples, clock=loop.time, compare=compare)
        await dispatcher.add(worker, 8)
        audit.start()
        try:
            await main(Audited(worker, dispatcher, audit))
        finally:
            await audit.close()

    virtual.run(begin())
