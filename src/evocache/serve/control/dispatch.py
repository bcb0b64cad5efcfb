"""The dispatcher: asks the door who is let in, queues what they ask for, and ends in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import Any

from ..workers.card import ModelCard, PointCard
from ..workers.task import Task
from ..workers.updates import Made
from ..workers.worker import Tell, Worker
from .admission import DoorSettings
from .desk import Desk, Outlook
from .figures import gather_figures
from .front_control import ControlSettings, Transition, log_transition
from .points import PointWishes, ServerPoints
from .queue.run_queue import RunQueue
from .rates import Left, Quota
from .run import End, Run
from .shares import Owner
from .ticket import Demand, Ticket

GRACE = 10.0
"""Seconds that cancelled runs have to end."""


class Dispatcher:
    """Lets requests in, and has workers make what they ask for. All methods are called in the loop's thread.

    Args:
        control: when points change and requests are refused.
        door: how much is let in.
        points: which points those get who ask for nothing, and the floor.
        quota: what an owner's account may ask for; anything without.
        clock: seconds that only grow.
        tell: is told of each transition of a controller.
        made: is told what each run gave; it raises nothing.

    ```
    dispatcher = Dispatcher()
    await dispatcher.add(worker, settings.open)
    with dispatcher.enter(task, wishes, owner) as ticket:  # raises Refused
        async with dispatcher.submit(task, wishes, owner, ticket) as run:  # left before its end, it is cancelled
            end = await run
    ```
    """

    def __init__(
        self,
        *,
        control: ControlSettings | None = None,
        door: DoorSettings | None = None,
        points: ServerPoints | None = None,
        quota: Callable[[Owner], Quota] = lambda owner: Quota(),
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[Transition], None] = log_transition,
        made: Callable[[Run, Made], None] = lambda run, made: None,
    ) -> None:
        self._clock, self._quota = clock, quota
        self._desk = Desk(
            control or ControlSettings(), door or DoorSettings(), points or ServerPoints(), quota, tell, clock()
        )
        self._queue = RunQueue(self._desk, clock, made)
        self._submitted = 0

    async def add(self, worker: Worker, open: int = 16) -> Sequence[ModelCard]:
        """Start a worker, which may take long, and hand it tasks from then on.

        Args:
            worker: not started yet.
            open: most tasks that it is given at a time.

        Raises:
            Error: of evocache, if it cannot start.
        """
        cards = await asyncio.to_thread(worker.start, self.teller())
        self.join(worker, cards, open)
        return cards

    def teller(self) -> Tell:
        """Return what workers tell their updates, in any thread."""
        return self._queue.teller()

    def join(self, worker: Worker, cards: Sequence[ModelCard], open: int = 16) -> None:
        """Hand tasks to a worker that has started, and that tells `teller()`."""
        self._queue.join(worker, cards, open)

    def remove(self, worker: Worker) -> None:
        """Take away a worker that is gone; what it had goes back, or fails."""
        self._queue.remove(worker)

    def give_up(self, why: str) -> None:
        """Take no more requests, and end what waits, once no worker is left: none will come.

        All of it fails, and says that what was promised goes back, to be made by another server. A worker that joins
        after all ends this.

        Args:
            why: in words that whoever asks may read.
        """
        self._queue.give_up(why)

    @property
    def cards(self) -> Mapping[str, ModelCard]:
        """Models that workers have, or had, by name, with the seconds of a generation as they are learned."""
        return self._desk.current

    def offered(self, model: str, loras: Mapping[str, float] = MappingProxyType({})) -> Sequence[PointCard]:
        """Return the points of a model, with LoRAs by their weights, that may be asked for, the slowest first."""
        return self._desk.offered(model, loras)

    @property
    def ready(self) -> bool:
        """Whether it lets requests in: it has a worker, and does not end."""
        return self._queue.has_workers and not self.draining

    @property
    def open(self) -> bool:
        """Whether it begins anything still: it does not end, and has workers, or may have some."""
        return self._desk.door.open

    @property
    def draining(self) -> bool:
        """Whether it ends: what is cancelled then was not cancelled by its owner."""
        return self._desk.door.closed

    def outlook(self, task: Task, wishes: PointWishes | None = None) -> Outlook:
        """Return which points a task may be given, and which it would be given now; nothing is queued.

        Raises:
            FrontError: if no point of the model's front meets the wishes.
            Error: if no worker has its model.
        """
        self._queue.tick()
        return self._desk.outlook(task, wishes or PointWishes())

    def enter(
        self,
        task: Task,
        wishes: PointWishes | None = None,
        owner: Owner | None = None,
        *,
        count: int = 1,
        bytes: int = 0,
    ) -> Ticket:
        """Let a request in, before anything is done for it.

        Args:
            task: what it asks for; of several pictures any one of them.
            wishes: speed-up, quality, deadline.
            owner: whose it is.
            count: how many tasks like this.
            bytes: of the pictures that came with it.

        Raises:
            Refused: if it is not let in, with the seconds after which it would be.
            FrontError: if no point of the model's front meets the wishes.
            Error: if no worker has its model.
        """
        ticket = self._desk.enter(task, wishes or PointWishes(), owner or Owner(), count, bytes, self._queue.tick())
        self._queue.stir()
        return ticket

    def read(self, owner: Owner | None = None, bytes: int = 0) -> Ticket:
        """Let a request in whose body is read, which takes room before it is known what it asks for.

        Args:
            owner: whose it is.
            bytes: of the body.

        Raises:
            Refused: if there is no room.
        """
        return self._desk.door.enter(Demand(owner or Owner(), bytes=bytes), self._queue.tick())

    def quota_left(self, owner: Owner) -> list[Left]:
        """Return what is left of each part of the quota of an owner's account; nothing where it has none."""
        return self._desk.door.rates.left(self._clock(), owner.account, self._quota(owner))

    def refund(self, owner: Owner, seconds: float) -> None:
        """Give predicted seconds back to the quota of an owner's account: of what was answered without being made."""
        self._desk.door.rates.refund(owner.account, seconds)

    def submit(
        self,
        task: Task,
        wishes: PointWishes | None = None,
        owner: Owner | None = None,
        ticket: Ticket | None = None,
        *,
        charged: bool = False,
    ) -> Run:
        """Have a task made as soon as it is its turn.

        Args:
            task: what is made; its `point`, `user` and `deadline` are set when it is handed over.
            wishes: as they were at the door.
            owner: as it was at the door.
            ticket: that it was let in with; what was promised before, as a job that is run again, needs none.
            charged: whether its owner was charged here for what needs none.

        Raises:
            Refused: if the server ends, or has no workers any more, and it has no ticket.
            FrontError: if no point of the model's front meets the wishes.
            Error: if no worker has its model.
        """
        wishes, owner, now = wishes or PointWishes(), owner or Owner(), self._queue.tick()
        ladder = self._desk.ladder(task, wishes)
        entry = None if ticket is None else ticket.take()
        if entry is None:
            self._desk.door.check_open()
            entry = self._desk.admit(task, wishes, owner, ladder, charged=charged)
        self._submitted += 1
        run = Run(self._submitted, task, wishes, owner, self._desk.cards[task.model], ladder, entry, now)
        run.stop, run.show = partial(self._queue.cancel, run), partial(self._queue.preview, run)
        self._queue.add(run)
        return run

    @property
    def quiet(self) -> float:
        """Seconds for which nothing waited, ran or was let in; negative while something does."""
        return self._queue.quiet

    def fill(self, task: Task) -> asyncio.Future[End] | None:
        """Have a task made while nothing else is to be done: it is cancelled as soon as anything is let in.

        It has no place at the door and no owner, nothing is learned from it, and it stands in no figure. A server that
        ends does not wait for it.

        Args:
            task: as a worker is given it.

        Returns:
            Its end, or None if something else is to be done, another one is made, or no worker takes it, which has to
            have the weights of its model at hand: its last run was of that model.
        """
        return None if self.draining or self.quiet < 0 else self._queue.spare.begin(task)

    async def drain(self, seconds: float) -> int:
        """Let nobody in any more, wait some seconds for what is there, cancel the rest, and return their number."""
        self._desk.door.closed = True
        self._queue.stir()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._queue.empty.wait(), seconds)
        left = [*self._queue.waiting, *self._queue.running]
        for run in left:
            run.cancel()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._queue.empty.wait(), GRACE)
        return len(left)

    def figures(self) -> dict[str, Any]:
        """Return gauges of models, workers and the door, and counts of ends, of refusals, and of lost workers."""
        self._queue.tick()
        return {**gather_figures(self._desk, self._queue.waiting, self._queue.running), "ends": dict(self._queue.ends)}
