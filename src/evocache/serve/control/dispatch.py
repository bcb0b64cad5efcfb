"""The dispatcher: holds what waits, hands it to workers with room, and tells what became of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from ...errors import GenerationError
from ..workers.card import ModelCard, PointCard
from ..workers.task import Task
from ..workers.updates import Cancelled, Failed, Made, Progressed, Update
from ..workers.worker import Tell, Worker
from .admission import SOON, Demand, DoorSettings, Ticket
from .bench import Bench, Seat
from .desk import Desk, Outlook
from .front_control import ControlSettings, Transition, log_transition
from .points import ServerPoints, Wishes
from .rates import Left, Quota
from .refusal import Refused
from .run import End, Run
from .shares import Owner

GRACE = 10.0
"""Seconds that cancelled runs have to end."""

LIVES = 2
"""Workers that may die with a run: after so many it is taken to be its fault."""


class Dispatcher:
    """Lets requests in, and has workers make what they ask for. All methods are called in the loop's thread.

    Args:
        control: when points change and requests are refused.
        door: how much is let in.
        points: which points those get who ask for nothing, and the floor.
        quota: what an owner's account may ask for; anything without.
        clock: seconds that only grow.
        tell: is told of each transition of a controller.

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
    ) -> None:
        self._clock, self._quota = clock, quota
        self._desk = Desk(
            control or ControlSettings(), door or DoorSettings(), points or ServerPoints(), quota, tell, clock()
        )
        self._bench = Bench()
        self._waiting: set[Run] = set()
        self._submitted, self._pumping = 0, False
        self._counts: Counter[str] = Counter()
        self._idle = asyncio.Event()
        self._idle.set()

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
        loop = asyncio.get_running_loop()

        def tell(id: str, update: Update) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody is there to be told
                loop.call_soon_threadsafe(self._told, id, update)

        return tell

    def join(self, worker: Worker, cards: Sequence[ModelCard], open: int = 16) -> None:
        """Hand tasks to a worker that has started, and that tells `teller()`."""
        self._tick()
        for card in cards:
            self._desk.know(card)
        self._bench.add(worker, cards, open)
        self._count_workers()
        self._pump()

    def remove(self, worker: Worker) -> None:
        """Take away a worker that is gone; what it had goes back, or fails."""
        self._tick()
        held = self._bench.remove(worker)
        self._count_workers()
        for run in held:
            self._lose(run, Failed("worker", "the process that computed it is gone"))
        self._pump()

    @property
    def cards(self) -> Mapping[str, ModelCard]:
        """Models that workers have, or had, by name."""
        return self._desk.cards

    def offered(self, model: str) -> Sequence[PointCard]:
        """Return the points of a model that may be asked for, the slowest first."""
        return self._desk.offered(model)

    @property
    def ready(self) -> bool:
        """Whether it lets requests in: it has a worker, and does not end."""
        return bool(self._bench.seats) and not self.draining

    @property
    def draining(self) -> bool:
        """Whether it ends: what is cancelled then was not cancelled by its owner."""
        return self._desk.door.closed

    def outlook(self, task: Task, wishes: Wishes | None = None) -> Outlook:
        """Return which points a task may be given, and which it would be given now; nothing is queued.

        Raises:
            FrontError: if no point of the model's front meets the wishes.
            Error: if no worker has its model.
        """
        self._tick()
        return self._desk.outlook(task, wishes or Wishes())

    def enter(
        self, task: Task, wishes: Wishes | None = None, owner: Owner | None = None, *, count: int = 1, bytes: int = 0
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
        return self._desk.enter(task, wishes or Wishes(), owner or Owner(), count, bytes, self._tick())

    def read(self, owner: Owner | None = None, bytes: int = 0) -> Ticket:
        """Let a request in whose body is read, which takes room before it is known what it asks for.

        Args:
            owner: whose it is.
            bytes: of the body.

        Raises:
            Refused: if there is no room.
        """
        return self._desk.door.enter(Demand(owner or Owner(), bytes=bytes), self._tick())

    def quota_left(self, owner: Owner) -> list[Left]:
        """Return what is left of each part of the quota of an owner's account; nothing where it has none."""
        return self._desk.door.rates.left(self._clock(), owner.account, self._quota(owner))

    def submit(
        self, task: Task, wishes: Wishes | None = None, owner: Owner | None = None, ticket: Ticket | None = None
    ) -> Run:
        """Have a task made as soon as it is its turn.

        Args:
            task: what is made; its `point`, `user` and `deadline` are set when it is handed over.
            wishes: as they were at the door.
            owner: as it was at the door.
            ticket: that it was let in with; what was promised before, as a job that is run again, needs none.

        Raises:
            Refused: if the server ends, and it has no ticket.
            FrontError: if no point of the model's front meets the wishes.
            Error: if no worker has its model.
        """
        wishes, owner, now = wishes or Wishes(), owner or Owner(), self._tick()
        ladder = self._desk.ladder(task, wishes)
        entry = None if ticket is None else ticket.take()
        if entry is None:
            if self.draining:
                raise Refused("draining", "a request to a server that ends", "one that goes on", SOON, status=503)
            entry = self._desk.admit(task, wishes, owner, ladder)
        self._submitted += 1
        run = Run(self._submitted, task, wishes, owner, self._desk.cards[task.model], ladder, entry, now)
        run.stop, run.show = partial(self._cancel, run), partial(self._preview, run)
        self._waiting.add(run)
        self._idle.clear()
        if not self._pumping:  # what comes at once is looked at together: its points are chosen by all of it
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)
        return run

    async def drain(self, seconds: float) -> int:
        """Let nobody in any more, wait some seconds for what is there, cancel the rest, and return their number."""
        self._desk.door.closed = True
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)
        left = [*self._waiting, *self._bench.running()]
        for run in left:
            run.cancel()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._idle.wait(), GRACE)
        return len(left)

    def figures(self) -> dict[str, Any]:
        """Return gauges of models, workers and the door, and counts of ends, of refusals, and of lost workers."""
        self._tick()
        return {**self._desk.figures(self._waiting, self._bench.running()), "ends": dict(self._counts)}

    def _count_workers(self) -> None:
        self._desk.capacity.workers = len(self._bench.seats)
        self._desk.capacity.room = sum(seat.open for seat in self._bench.seats)

    def _tick(self) -> float:
        now = self._clock()
        self._desk.tick(now, busy=bool(self._waiting) and self._bench.full)
        return now

    def _pump(self) -> None:
        """Hand over what there is room for."""
        self._pumping, now = False, self._tick()
        while self._waiting and self._bench.seats and not self._bench.full:
            for run in self._desk.order(self._waiting, now):
                seat = self._bench.seat_for(run)
                if seat is not None:
                    self._hand_over(run, seat, now)
                    break
            else:
                return

    def _hand_over(self, run: Run, seat: Seat, now: float) -> None:
        self._waiting.discard(run)
        task = self._desk.begin(run, now)
        run.beside = float(len(seat.runs))
        seat.runs[task.id] = run
        try:
            seat.worker.submit(task)
        except GenerationError:  # it has just gone, of which nothing that it was not given is guilty
            del seat.runs[task.id]
            self._bench.dismiss(seat)
            self._count_workers()
            self._desk.wait_again(run, begun=False)
            self._waiting.add(run)
        except Exception as error:  # it cannot be told of this task
            failed = Failed("pipeline", f"{type(error).__name__}: {error}")
            asyncio.get_running_loop().call_soon(self._told, task.id, failed)

    def _told(self, id: str, update: Update) -> None:
        """Take what a worker tells; of what it does not have any more it may tell what it likes."""
        seat = self._bench.holder(id)
        if seat is None:
            return
        run = seat.runs[id]
        now = self._tick()
        if isinstance(update, End):
            del seat.runs[id]
            run.beside = (run.beside + len(seat.runs)) / 2
            if isinstance(update, Failed) and update.reason == "worker":
                self._lose(run, update)
            else:
                self._end(run, update, now, seat.open)
            self._pump()
            return
        if isinstance(update, Progressed):
            self._desk.progress(run, update)
        run.tell(update)

    def _lose(self, run: Run, failed: Failed) -> None:
        """Have a run wait again whose worker died, if it was promised and that was not its fault yet."""
        run.deaths += 1
        self._counts["lost"] += 1
        if run.stopped or self.draining:
            self._end(run, Cancelled(), self._clock())
        elif run.wishes.durable and run.deaths < LIVES:
            self._desk.wait_again(run)
            self._waiting.add(run)
        else:
            self._end(run, failed, self._clock())

    def _end(self, run: Run, end: End, now: float, room: int = 1) -> None:
        self._desk.end(run, end if isinstance(end, Made) else None, room, now)
        run.ended = now
        self._counts[type(end).__name__.lower()] += 1
        run.tell(end)
        if not self._waiting and not self._bench.running():
            self._idle.set()

    def _cancel(self, run: Run) -> None:
        run.stopped = True
        now = self._tick()
        if run in self._waiting:
            self._waiting.discard(run)
            self._end(run, Cancelled(), now)
            self._pump()
            return
        found = self._bench.find(run)
        if found is not None:
            found[0].worker.cancel(found[1])

    def _preview(self, run: Run) -> None:
        found = self._bench.find(run)
        if found is not None:
            found[0].worker.preview(found[1])
