"""The audit: draws some of what was made, has it made uncached while nothing else is to be done, and compares."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..control.dispatch import Dispatcher
from ..control.run import End, Run
from ..requests.answer import Answer
from ..requests.identity import Identity
from ..workers.task import Picture
from ..workers.updates import Cancelled, Made
from .comparison import measure_quality
from .figures import FrontPoint, Holder, QualityFigures
from .samples import Sample, Samples

log = logging.getLogger("evocache.serve")

IDLE = 5.0
"""Seconds for which nothing waits and nothing runs before something is made for the audit."""

PAUSE = 1.0
"""Seconds between two looks whether that is so, while there are samples."""

TRIES = 3
"""How often a sample is begun; what came between ended the others."""


async def _compare(made: Picture, uncached: Picture) -> float:
    return await asyncio.to_thread(measure_quality, made, uncached)


class Audit:
    """Measures the quality of points on what is asked for. Used in the loop's thread.

    What it has made is nobody's: it is charged to no quota, recorded nowhere, counted in no figure of requests, and
    nothing is learned from it. It ends within a step when a request is let in, or the server is to end. (Engines count
    it among their own events, as they do not know whom they work for.)

    Args:
        dispatcher: whose workers make it.
        share: of what is made at points of fronts, that is measured.
        secret: that samples are drawn by, so that nobody can tell which; a random one if not given.
        samples: where these wait.
        clock: seconds that only grow.
        compare: returns the quality of what was made beside the uncached one, in dB; by a thread if not given.

    Attributes:
        idle: seconds for which nothing waits and nothing runs before it has something made.
        pause: seconds between two looks.
        ends: counts of what it had made, by how that ended.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        share: float,
        *,
        secret: bytes | None = None,
        samples: Samples | None = None,
        clock: Callable[[], float] = time.monotonic,
        compare: Callable[[Picture, Picture], Awaitable[float]] = _compare,
    ) -> None:
        self._dispatcher, self._share = dispatcher, share
        self._clock, self._compare = clock, compare
        self._secret = secret or secrets.token_bytes(32)
        self._samples = samples if samples is not None else Samples()
        self._figures = QualityFigures()
        self._some = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self.idle, self.pause = IDLE, PAUSE
        self.ends: Counter[str] = Counter()

    def take(self, run: Run, made: Made) -> None:
        """Take what a run gave; it may be drawn as a sample."""
        if run.point is None or run.ladder.outside or not self._draws(run.id):
            return
        self._samples.add(Sample(run.task, run.point, run.owner.account, made.picture, self._clock()))
        self._some.set()

    def _draws(self, id: str) -> bool:
        digest = hashlib.blake2b(id.encode(), key=self._secret, digest_size=8).digest()
        return int.from_bytes(digest, "big") < self._share * 2**64

    def start(self) -> None:
        """Begin to look for time to measure."""
        if self._share > 0:
            self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Measure nothing more, and keep no sample."""
        self._samples.clear()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            if not len(self._samples):
                self._some.clear()
                await self._some.wait()
            await asyncio.sleep(self.pause)
            try:
                await self.look()
            except Exception:
                log.exception("a sample could not be compared")

    async def look(self) -> None:
        """Measure one sample, the oldest that can be, if nothing else is to be done."""
        self._samples.expire(self._clock())
        if self._dispatcher.quiet < self.idle:
            return
        for sample in self._samples:
            making = self._dispatcher.fill(sample.uncached(f"audit_{secrets.token_hex(16)}"))
            if making is not None:
                await self._measure(sample, making)
                return

    async def _measure(self, sample: Sample, making: asyncio.Future[End]) -> None:
        sample.tries += 1
        end = await making
        self.ends[type(end).__name__.lower()] += 1
        if not isinstance(end, Cancelled) or sample.tries >= TRIES:
            self._samples.drop(sample)
        if isinstance(end, Made):
            quality = await self._compare(sample.picture, end.picture)
            point = _point_of(sample.task.model, sample.task.loras, sample.point.label)
            self._figures.add(sample.holder, point, sample.point, quality)

    def add_measured(self, answers: Sequence[Answer], who: Identity, model: str) -> list[Answer]:
        """Return answers whose accounts say what was measured of their points, on generations of the same key.

        Args:
            answers: to one request.
            who: asks.
            model: that they were made with.
        """
        return [self._with_measured(answer, (who.tenant, who.key), model) for answer in answers]

    def _with_measured(self, answer: Answer, holder: Holder, model: str) -> Answer:
        account = answer.account
        measured = self._figures.told(holder, _point_of(model, account.loras, account.point))
        return replace(answer, account=replace(account, measured=measured)) if measured else answer

    def figures(self) -> dict[str, Any]:
        """Return what operators are told: `points` as measured over all keys, `ends`, and `samples` that wait."""
        return {"points": self._figures.rows(), "ends": dict(self.ends), "samples": len(self._samples)}


def _point_of(model: str, loras: Mapping[str, float], label: str) -> FrontPoint:
    return FrontPoint(model, " ".join(sorted(loras)), label)
