"""The service: it puts workers, control and results together, and makes what is asked for."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from types import MappingProxyType, TracebackType
from typing import Any

from ..errors import Error
from .access.key_ring import KeyRing
from .access.key_store import KeyStore
from .access.links import Links
from .audit.audit import Audit
from .background.background import Background
from .control.dispatch import Dispatcher
from .control.front_control import Transition, log_transition
from .control.rates import Left
from .control.run import Begin, Run
from .control.shares import Owner
from .control.ticket import Ticket
from .crew import LOADING, Crew, PlainCrew, SupervisedCrew
from .jobs.retention import RoomLimits
from .observe.observer import Observer
from .observe.outcome import End, Outcome
from .requests.answer import Answer
from .requests.failures import UnmadeError
from .requests.fit import check
from .requests.identity import Identity
from .requests.request import GenerationRequest
from .reuse.accounts import account_of
from .reuse.asking import PictureListener
from .reuse.reuse import Reuse
from .settings import Settings
from .workers.card import ModelCard, PointCard
from .workers.supervisor import Supervisor
from .workers.task import Task
from .workers.worker import Worker

TRANSITIONS = 50
"""How many of the last changes of level are remembered."""

NAMES = {"width": "size", "height": "size", "num_frames": "seconds"}
"""Fields of requests by the names of pipelines' arguments, where they differ."""


class Service:
    """Makes what is asked for; a context manager in asyncio. It takes requests as soon as a worker is ready.

    Args:
        settings: what the server is told.
        workers: who computes; those of a supervisor are replaced when they die.

    Attributes:
        settings: what the server is told.
        began: when it began, in seconds since 1970.
        transitions: the last changes of models' levels, the latest last.
        keys: API keys, as requests are let in by.
        observer: is told how requests ended.
        links: signs addresses of results.
        reuse: what is stored, and what is being made.
        audit: measures the quality of points on what is asked for.
        unstartable: why none of the workers could be started; None if one could, or it is not known yet.
        when_unstartable: called in the loop when it is known.
    """

    def __init__(self, settings: Settings, workers: Sequence[Worker] | Supervisor) -> None:
        self.settings = settings
        self.began = int(time.time())
        self._crew: Crew = SupervisedCrew(workers) if isinstance(workers, Supervisor) else PlainCrew(workers)
        self.keys = KeyRing(None)
        self.observer = Observer()
        self.links = Links(self.settings.secret or secrets.token_bytes(32))
        self.transitions: deque[Transition] = deque(maxlen=TRANSITIONS)
        self._dispatcher = Dispatcher(
            quota=lambda owner: self.keys.quota(owner),
            tell=self._note,
            made=lambda run, made: self.audit.take(run, made),
        )
        self.audit = Audit(self._dispatcher, settings.measure)
        self.reuse = Reuse(
            settings.reuse,
            account_of,
            folder=settings.folder,
            database=settings.database,
            shared=settings.shared,
            secret=settings.secret,
        )
        self._starting: asyncio.Task[None] | None = None
        self.unstartable: Error | None = None
        self.when_unstartable: Callable[[], None] = lambda: None
        self._background: Background | None = None

    @property
    def cards(self) -> Mapping[str, ModelCard]:
        """The models that are loaded, by name."""
        return self._dispatcher.cards

    def offered(self, model: str, loras: Mapping[str, float] = MappingProxyType({})) -> Sequence[PointCard]:
        """Return the points of a model, with LoRAs by their weights, that may be asked for, the slowest first."""
        return self._dispatcher.offered(model, loras)

    @property
    def background(self) -> Background:
        """Videos and pictures that are promised."""
        assert self._background is not None, "it has begun"
        return self._background

    @property
    def draining(self) -> bool:
        """Whether the server is about to end."""
        return self._dispatcher.draining

    def unready(self) -> str:
        """Return why no requests are taken; empty if they are."""
        if self.draining:
            return "the server is about to end"
        if self.unstartable is not None:
            return str(self.unstartable)
        return "" if self._dispatcher.ready else self._crew.why_unready or LOADING

    async def settled(self) -> str:
        """Wait until models are loaded, or cannot be; return why no requests are taken, empty if they are."""
        if self._starting is not None:
            await asyncio.wait({self._starting})
        return self.unready()

    def figures(self) -> dict[str, Any]:
        """Return counts and gauges of the dispatcher, of each worker in `engines`, of `reuse` and `audit`."""
        engines = [dict(one) for one in self._crew.figures().values()]
        own = {"reuse": self.reuse.figures(), "audit": self.audit.figures()}
        return {**self._dispatcher.figures(), "engines": engines, **own}

    def _note(self, change: Transition) -> None:
        self.transitions.append(change)
        log_transition(change)

    def check(self, asked: GenerationRequest) -> GenerationRequest:
        """Check a request against its model and the limits of the server.

        Raises:
            UnfitError: if the model takes no such argument or LoRA, or a limit is passed.
        """
        return check(asked, self.cards[asked.model], self.settings.limits, NAMES)

    async def generate(
        self, asked: GenerationRequest, who: Identity, *, watch: PictureListener | None = None, previews: int = 0
    ) -> list[Answer]:
        """Make what is asked for; if it is cancelled, what is not over ends within a step.

        Args:
            asked: what is asked for.
            who: who asks.
            watch: is told what becomes of it.
            previews: how many of each are told on the way.

        Raises:
            UnfitError: if the model takes no such request.
            Refused: if there is no room for it now.
            UnmadeError: if one of it failed; the others are cancelled then.
        """
        asked, came = self.check(asked), time.monotonic()
        try:
            answers = await self._make(asked, who, watch, previews)
        except UnmadeError as error:
            self._tell(asked, who, came, "failed", reason=error.reason)
            raise
        except asyncio.CancelledError:
            self._tell(asked, who, came, "left")
            raise
        self._tell(asked, who, came, "made", answers)
        return self.audit.add_measured(answers, who, asked.model)

    def _tell(
        self,
        asked: GenerationRequest,
        who: Identity,
        came: float,
        end: End,
        answers: Sequence[Answer] = (),
        reason: str = "",
    ) -> None:
        """Tell of a request that is over."""
        accounts, took = tuple(answer.account for answer in answers), time.monotonic() - came
        outcome = Outcome(who.tenant, who.key, asked.model, end, took, accounts, reason)
        self.observer.told(outcome, self.cards[asked.model], asked.arguments)

    async def _make(
        self, asked: GenerationRequest, who: Identity, watch: PictureListener | None, previews: int
    ) -> list[Answer]:
        wishes = asked.point_wishes
        owner = who.as_owner()

        @contextmanager
        def begin(tasks: Sequence[Task]) -> Iterator[Sequence[Run]]:
            with self._dispatcher.enter(tasks[0], wishes, owner, count=len(tasks), bytes=asked.bytes) as ticket:
                yield [self._dispatcher.submit(task, wishes, owner, ticket) for task in tasks]

        outlook = self._dispatcher.outlook(asked.task(), wishes)
        return await self.reuse.answer(
            asked, who, self.cards[asked.model], outlook, begin, watch=watch, previews=previews
        )

    def read(self, owner: Owner, bytes: int) -> Ticket:
        """Let a request in whose body is read.

        Raises:
            Refused: if there is no room.
        """
        return self._dispatcher.read(owner, bytes)

    def quota_left(self, owner: Owner) -> list[Left]:
        """Return what is left of each part of the quota of a key."""
        return self._dispatcher.quota_left(owner)

    async def _answer_job(
        self, asked: GenerationRequest, who: Identity, seed: int, attempt: int, begin: Begin, watch: PictureListener
    ) -> list[Answer]:
        """Answer what was promised."""
        wishes = replace(asked.point_wishes, deadline=None, durable=True)
        outlook = self._dispatcher.outlook(asked.task(), wishes)
        card = self.cards[asked.model]
        answers = await self.reuse.answer(asked, who, card, outlook, begin, watch=watch, seed=seed, attempt=attempt)
        return self.audit.add_measured(answers, who, asked.model)

    def _tell_job(
        self, asked: GenerationRequest, who: Identity, seconds: float, answers: Sequence[Answer], reason: str
    ) -> None:
        """Tell of what was promised, once it is over."""
        self._tell(asked, who, time.monotonic() - seconds, "failed" if reason else "made", answers, reason)

    async def _forget(self, asked: GenerationRequest, who: Identity, seed: int) -> None:
        """Forget what is stored of what was promised, and deleted; of a model that is not served none is found."""
        if asked.model in self.cards:
            await self.reuse.forget(asked, who, self.cards[asked.model], seed)

    def _draw_seed(self, asked: GenerationRequest, who: Identity) -> int:
        return self.reuse.draw_seed(asked, who, self.cards[asked.model])

    async def __aenter__(self) -> Service:
        """Begin; models are loaded meanwhile."""
        settings = self.settings
        self._background = await asyncio.to_thread(
            Background,
            self._dispatcher,
            self._answer_job,
            self._tell_job,
            self._draw_seed,
            self._forget,
            settings.folder,
            settings.database,
            keep=settings.keep,
            room=RoomLimits(settings.disk_bytes),
            lease=settings.lease,
        )
        database = self._background.database
        self.keys = KeyRing(KeyStore(database))
        self.observer.open(database)
        await self._background.start()
        self.audit.start()
        self._starting = asyncio.create_task(self._start())
        return self

    async def _start(self) -> None:
        try:
            await self._crew.start(self._dispatcher, self.settings.open)
        except Error as error:
            self.unstartable = error
            self.when_unstartable()

    async def drain(self) -> None:
        """Let nobody in any more, and wait for what runs, as long as `settings.drain` says; the rest is ended.

        Called once more, it waits no longer.
        """
        self.background.end_waits()  # they look once this method waits: then nobody is let in any more
        await self._dispatcher.drain(0.0 if self._dispatcher.draining else self.settings.drain)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what runs, after the time that it may take, and the workers."""
        async with AsyncExitStack() as steps:  # the last first, and each whatever befalls the others
            steps.push_async_callback(self.reuse.close)
            steps.push_async_callback(self._crew.close)
            steps.push_async_callback(self.background.close)
            steps.push_async_callback(self.observer.close)
            steps.push_async_callback(self.background.stop)  # of which the observer is told
            steps.push_async_callback(self.drain)
            steps.push_async_callback(self.audit.close)
            if self._starting is not None:
                self._starting.cancel()
