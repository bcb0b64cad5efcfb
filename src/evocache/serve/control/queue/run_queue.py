"""The queue: hands what waits to workers with room, hears what they tell, and ends what cannot go on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from ....errors import GenerationError
from ...workers.card import ModelCard
from ...workers.updates import Cancelled, Failed, Made, Progressed, Update
from ...workers.worker import Tell, Worker
from ..desk import Desk
from ..run import End, Run
from .bench import Bench, Seat
from .spare import Spare

LIVES = 2
"""Workers that may die with a run: after so many it is taken to be its fault."""


class RunQueue:
    """Has runs wait, be made, and end. All methods but what `teller` returns are called in the loop's thread.

    Args:
        desk: decides who goes next, and at which point.
        clock: seconds that only grow.
        made: is told what runs gave; it raises nothing.

    Attributes:
        ends: counts of ends of runs by their kind, and of runs whose worker was lost.
        empty: set while no run is there.
        spare: what a worker has while no run is there.
    """

    def __init__(self, desk: Desk, clock: Callable[[], float], made: Callable[[Run, Made], None]) -> None:
        self._desk, self._clock, self._made = desk, clock, made
        self._bench = Bench()
        self.spare, self._stirred = Spare(self._bench), clock()
        self._waiting: set[Run] = set()
        self._pumping = False
        self.ends: Counter[str] = Counter()
        self.empty = asyncio.Event()
        self.empty.set()

    @property
    def waiting(self) -> Collection[Run]:
        """Runs that no worker has."""
        return self._waiting

    @property
    def running(self) -> Collection[Run]:
        """Runs that workers have."""
        return self._bench.running()

    @property
    def has_workers(self) -> bool:
        """Whether there is a worker that takes tasks."""
        return bool(self._bench.seats)

    def tick(self) -> float:
        """Have the desk note that time has passed, before anything changes; return what time it is."""
        now = self._clock()
        self._desk.tick(now, busy=bool(self._waiting) and self._bench.full)
        return now

    def teller(self) -> Tell:
        """Return what workers tell their updates, in any thread."""
        loop = asyncio.get_running_loop()

        def tell(id: str, update: Update) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody is there to be told
                loop.call_soon_threadsafe(self._told, id, update)

        return tell

    def join(self, worker: Worker, cards: Sequence[ModelCard], open: int) -> None:
        """Hand runs to a worker that has started, and that tells `teller()`."""
        self.tick()
        self._desk.door.forsaken = ""
        for card in cards:
            self._desk.know(card)
        self._bench.add(worker, cards, open)
        self._count_workers()
        self._pump()

    def remove(self, worker: Worker) -> None:
        """Take away a worker that is gone; what it had goes back, or fails."""
        self.tick()
        held = self._bench.remove(worker)
        self.spare.lose(worker)
        self._count_workers()
        for run in held:
            self._lose(run, Failed("worker", "the process that computed it is gone"))
        self._pump()

    def give_up(self, why: str) -> None:
        """End what waits now and later, as long as there is no worker: none will come.

        Args:
            why: in words that owners of runs may read.
        """
        self._desk.door.forsaken = why
        self._pump()

    def add(self, run: Run) -> None:
        """Have a run wait until it is its turn."""
        self.stir()
        self._waiting.add(run)
        self.empty.clear()
        if not self._pumping:  # what comes at once is looked at together: its points are chosen by all of it
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def cancel(self, run: Run) -> None:
        """End a run: at once if it waits, else as soon as its worker says that it has ended."""
        run.stopped = True
        now = self.tick()
        if run in self._waiting:
            self._waiting.discard(run)
            self._end(run, Cancelled(), now)
            self._pump()
            return
        found = self._bench.find(run)
        if found is not None:
            found[0].worker.cancel(found[1])

    def preview(self, run: Run) -> None:
        """Ask the worker that has a run for a preview; of one that waits nothing comes."""
        found = self._bench.find(run)
        if found is not None:
            found[0].worker.preview(found[1])

    @property
    def quiet(self) -> float:
        """Seconds for which no run was there, and nothing was let in; negative while there is."""
        busy = self._waiting or self._bench.running() or len(self._desk.backlog)
        return -1.0 if busy else self._clock() - self._stirred

    def stir(self) -> None:
        """Note that it is not quiet; the spare task ends."""
        self._stirred = self._clock()
        self.spare.stop()

    def _count_workers(self) -> None:
        self._desk.capacity.workers = len(self._bench.seats)
        self._desk.capacity.room = sum(seat.open for seat in self._bench.seats)

    def _pump(self) -> None:
        """Hand over what there is room for."""
        self._pumping, now = False, self.tick()
        while self._waiting and self._bench.seats and not self._bench.full:
            for run in self._desk.order(self._waiting, now):
                seat = self._bench.seat_for(run)
                if seat is not None:
                    self._hand_over(run, seat, now)
                    break
            else:
                return
        if self._desk.door.forsaken and not self._bench.seats:
            self._abandon(self._desk.door.forsaken, now)

    def _abandon(self, why: str, now: float) -> None:
        """End all that waits; what was promised goes back, for others to make."""
        failed = Failed("worker", f"it was not computed: all workers have been given up ({why})", goes_back=True)
        for run in [*self._waiting]:
            self._waiting.discard(run)
            self._end(run, failed, now)

    def _hand_over(self, run: Run, seat: Seat, now: float) -> None:
        self._waiting.discard(run)
        task = self._desk.begin(run, now)
        run.beside = float(len(seat.runs))
        seat.runs[task.id], seat.latest = run, task.model
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
            self.spare.tell(id, update)
            return
        run = seat.runs[id]
        now = self.tick()
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
        self.ends["lost"] += 1
        if run.stopped or self._desk.door.closed:
            self._end(run, Cancelled(), self._clock())
        elif run.wishes.durable and run.deaths < LIVES:
            self._desk.wait_again(run)
            self._waiting.add(run)
        else:
            self._end(run, failed, self._clock())

    def _end(self, run: Run, end: End, now: float, room: int = 1) -> None:
        self._desk.end(run, end if isinstance(end, Made) else None, room, now)
        run.ended = now
        self.ends[type(end).__name__.lower()] += 1
        run.tell(end)
        self._stirred = now
        if isinstance(end, Made):
            self._made(run, end)
        if not self._waiting and not self._bench.running():
            self.empty.set()
