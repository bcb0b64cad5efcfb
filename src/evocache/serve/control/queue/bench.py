"""Which worker holds which runs, and which has room for another."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ...workers.card import ModelCard
from ...workers.worker import Worker
from ..run import Run


@dataclass(eq=False)
class Seat:
    """A worker, and what it holds.

    Attributes:
        worker: the worker.
        cards: its models, by name.
        open: most tasks that it is given at a time.
        runs: what it has, by the id that the worker knows it by.
        latest: the model of the run that it was given last, whose weights it has in memory.
    """

    worker: Worker
    cards: Mapping[str, ModelCard]
    open: int
    runs: dict[str, Run] = field(default_factory=dict)
    latest: str = ""

    @property
    def full(self) -> bool:
        """Whether it has as much as it takes."""
        return len(self.runs) >= self.open

    @property
    def work(self) -> float:
        """Predicted seconds that are left of what it has."""
        return sum(run.predicted * run.entry.left for run in self.runs.values())

    def has_room(self, run: Run) -> bool:
        """Return whether a run may go to this worker.

        Runs that nobody waits for take at most half of its room, so that a picture does not wait for films of minutes.
        Of those that a worker has died with it has one at a time, so that the one whose fault it was is found.
        """
        if self.full or run.task.model not in self.cards:
            return False
        if run.deaths and any(other.deaths for other in self.runs.values()):
            return False
        patient = sum(other.entry.group.patient for other in self.runs.values())
        return not run.entry.group.patient or patient < max(1, self.open // 2)


class Bench:
    """All workers.

    Attributes:
        seats: of those that take tasks.
    """

    def __init__(self) -> None:
        self.seats: list[Seat] = []
        self._leaving: list[Seat] = []

    @property
    def _all(self) -> list[Seat]:
        return [*self.seats, *self._leaving]

    @property
    def full(self) -> bool:
        """Whether there are workers, and each has as much as it takes."""
        return bool(self.seats) and all(seat.full for seat in self.seats)

    def seat_for(self, run: Run) -> Seat | None:
        """Return the worker with room for a run that has least to do; None if there is none."""
        fitting = [seat for seat in self.seats if seat.has_room(run)]
        return min(fitting, key=lambda seat: (seat.work, len(seat.runs)), default=None)

    def running(self) -> Collection[Run]:
        """Return all runs that workers have."""
        return [run for seat in self._all for run in seat.runs.values()]

    def add(self, worker: Worker, cards: Sequence[ModelCard], open: int) -> Seat:
        """Add a worker that has started."""
        seat = Seat(worker, {card.name: card for card in cards}, open)
        self.seats.append(seat)
        return seat

    def dismiss(self, seat: Seat) -> None:
        """Give a worker nothing any more; it keeps what it has until that is over, or the worker is removed."""
        self.seats.remove(seat)
        self._leaving.append(seat)

    def remove(self, worker: Worker) -> Collection[Run]:
        """Take a worker away; returns what it had, and it has nothing any more."""
        gone = [seat for seat in self._all if seat.worker is worker]
        self.seats = [seat for seat in self.seats if seat not in gone]
        self._leaving = [seat for seat in self._leaving if seat not in gone]
        held = [run for seat in gone for run in seat.runs.values()]
        for seat in gone:
            seat.runs.clear()
        return held

    def holder(self, id: str) -> Seat | None:
        """Return the worker that has a run, by the id that it knows it by; None if none has."""
        return next((seat for seat in self._all if id in seat.runs), None)

    def find(self, run: Run) -> tuple[Seat, str] | None:
        """Return the worker that has a run, and the id that it knows it by; None if none has it."""
        pairs = ((seat, id) for seat in self._all for id, other in seat.runs.items() if other is run)
        return next(pairs, None)
