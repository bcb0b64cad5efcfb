"""The service: it puts workers, control and results together, and makes what is asked for."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from .control.dispatch import Dispatcher, Run
from .requests.answer import Account, Answer
from .requests.failures import Unmade
from .requests.fit import check
from .requests.identity import Identity
from .requests.request import GenerationRequest
from .settings import Settings
from .workers.card import ModelCard
from .workers.task import Task
from .workers.updates import Cancelled, Failed, Made, Progressed, Update
from .workers.worker import Worker

Watch = Callable[[int, Update], None]
"""Takes the number of a picture among those asked for, and what became of it."""

SEEDS = 1 << 32
"""How many seeds are drawn from where none is given."""

NAMES = {"width": "size", "height": "size", "num_frames": "seconds"}
"""Fields of requests by the names of pipelines' arguments, where they differ."""


class Service:
    """Makes what is asked for; a context manager in asyncio. It takes requests as soon as a worker is ready.

    Args:
        settings: what the server is told.
        workers: who computes.

    Attributes:
        settings: what the server is told.
        began: when it began, in seconds since 1970.
    """

    def __init__(self, settings: Settings, workers: Sequence[Worker]) -> None:
        self.settings = settings
        self.began = int(time.time())
        self._dispatcher = Dispatcher(workers)

    @property
    def cards(self) -> dict[str, ModelCard]:
        """The models that are loaded, by name."""
        return dict(self._dispatcher.cards)

    def unready(self) -> str:
        """Return why no requests are taken; empty if they are."""
        return self._dispatcher.unready()

    def check(self, asked: GenerationRequest) -> GenerationRequest:
        """Check a request against its model and the limits of the server.

        Raises:
            Misfit: if the model takes no such argument, or a limit is passed.
        """
        return check(asked, self.cards[asked.model], self.settings.limits, NAMES)

    async def generate(
        self, asked: GenerationRequest, who: Identity, *, watch: Watch | None = None, previews: int = 0
    ) -> list[Answer]:
        """Make what is asked for; if it is cancelled, what is not over ends within a step.

        Args:
            asked: what is asked for.
            who: who asks.
            watch: is told what becomes of it.
            previews: how many of each are told on the way.

        Raises:
            Misfit: if the model takes no such request.
            Refused: if there is no room for it now.
            Unmade: if one of it failed; the others are cancelled then.
        """
        asked = self.check(asked)
        first = secrets.randbelow(SEEDS) if asked.seed is None else asked.seed
        making = [
            asyncio.ensure_future(self._make(asked, who, first + at, _numbered(watch, at), previews))
            for at in range(asked.count)
        ]
        try:
            return await asyncio.gather(*making)
        finally:
            for one in making:
                one.cancel()
            await asyncio.wait(making)

    async def _make(
        self, asked: GenerationRequest, who: Identity, seed: int, watch: Callable[[Update], None], previews: int
    ) -> Answer:
        id = f"gen_{secrets.token_hex(16)}"
        task = Task(id, asked.model, asked.arguments, seed, asked.pictures, user=who.owner, deadline=asked.wishes.deadline)
        run = self._dispatcher.submit(task, asked.wishes, who)
        try:
            end = await _follow(run, watch, previews)
        finally:
            run.cancel()
        if isinstance(end, Failed):
            raise Unmade(end.reason, end.text)
        if isinstance(end, Cancelled):
            raise Unmade("cancelled", "it was cancelled")
        return Answer(end.picture, _account(run, seed, end))

    async def __aenter__(self) -> Service:
        """Begin; models are loaded meanwhile."""
        await self._dispatcher.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what runs, after the time that it may take, and the workers."""
        with contextlib.suppress(asyncio.CancelledError):
            await self._dispatcher.close(self.settings.drain)


async def _follow(run: Run, watch: Callable[[Update], None], previews: int) -> Made | Failed | Cancelled:
    """Pass on what becomes of a run until its end; ask for previews at even parts of its steps."""
    asked = 0
    async for update in run:
        if isinstance(update, (Made, Failed, Cancelled)):
            return update
        watch(update)
        if isinstance(update, Progressed) and asked < previews and update.step * (previews + 1) >= (asked + 1) * update.steps:
            asked += 1
            run.preview()
    raise AssertionError("a run without an end")


def _account(run: Run, seed: int, made: Made) -> Account:
    point = run.point
    return Account(
        run.task.id,
        seed,
        "uncached" if point is None else point.label,
        None if point is None else point.speedup,
        None if point is None else point.quality,
        seconds={"queue": run.queued, **made.seconds},
        notes=(*run.notes, *made.notes),
    )


def _numbered(watch: Watch | None, at: int) -> Callable[[Update], None]:
    return (lambda update: None) if watch is None else lambda update: watch(at, update)
