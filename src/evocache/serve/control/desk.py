"""All decisions together, without workers and without a clock: what is let in, at which level, who goes next."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from ...errors import Error, nearest
from ..workers.card import ModelCard, PointCard
from ..workers.task import Task
from ..workers.updates import Made, Progressed
from .admission import Door, DoorSettings
from .backlog import Backlog, Entry, Group
from .deadlines import level_for, may_hurry
from .front_control import ControlSettings, FrontController, Transition
from .order import Claim, rank
from .points import UNCACHED, Ladder, PointWishes, ServerPoints, front_for, ladder_of, offered, server_ladder
from .predict.capacity import Capacity
from .predict.predictor import Predictor
from .rates import Quota
from .run import Run
from .shares import Owner, Shares
from .ticket import Demand, Ticket

DECODING = 0.05
"""Share of a task's work that is left when its last step begins, at least."""


class Choice(NamedTuple):
    """What a run is handed over with.

    Attributes:
        level: of its model's controller.
        point: of the front; None computes everything.
        seconds: predicted.
    """

    level: int
    point: PointCard | None
    seconds: float


class Outlook(NamedTuple):
    """What a task would be given now.

    Attributes:
        ladder: points that it may be given.
        place: on the ladder, of the point that it would be given if it had no deadline.
    """

    ladder: Ladder
    place: int


class Desk:
    """Keeps what waits and runs in figures, and decides.

    Args:
        control: when points change and requests are refused.
        door: how much is let in.
        points: which points those get who ask for nothing, and the floor.
        quota: what an owner's account may ask for.
        tell: is told of each transition of a controller.
        now: by the clock.

    Attributes:
        cards: models, as workers said when they had loaded them.
        current: the same, with the seconds of a generation as they are learned.
        controllers: of the models' levels.
        made: counts of what was made by the labels of points, by model.
        backlog: what waits and runs.
        capacity: how fast the workers are.
        shares: what owners have had.
        door: who is let in.
    """

    def __init__(
        self,
        control: ControlSettings,
        door: DoorSettings,
        points: ServerPoints,
        quota: Callable[[Owner], Quota],
        tell: Callable[[Transition], None],
        now: float,
    ) -> None:
        self._control, self._points, self._tell = control, points, tell
        self.cards: dict[str, ModelCard] = {}
        self.current: dict[str, ModelCard] = {}
        self.controllers: dict[str, FrontController] = {}
        self._ladders: dict[str, Ladder] = {}
        self.made: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.backlog, self.capacity, self.shares = Backlog(), Capacity(), Shares()
        self._predictor = Predictor()
        self.door = Door(door, self.backlog, self.capacity, self.controllers, quota)
        self._seen, self._done = now, 0.0

    def know(self, card: ModelCard) -> None:
        """Take a model in that a worker has; one that is known stays as it was."""
        if card.name not in self.cards:
            self.cards[card.name] = self.current[card.name] = card
            ladder = self._ladders[card.name] = server_ladder(card, self._points)
            self.controllers[card.name] = FrontController(
                card.name, len(ladder), card.seconds, self._control, self._tell
            )

    def tick(self, now: float, busy: bool) -> None:
        """Note that time has passed in which nothing changed; call it before anything does.

        Args:
            now: by the clock.
            busy: whether workers had all that they could take, in that time.
        """
        if now > self._seen:
            if busy:
                self.capacity.learn(self._done, now - self._seen, self.capacity.workers)
            self._seen, self._done = now, 0.0
        self.decide(now)

    def decide(self, now: float) -> None:
        """Have all controllers choose their levels."""
        for name, controller in self.controllers.items():
            self.backlog.levels[name] = controller.decide(now, self.waits(name))

    def waits(self, model: str) -> list[float]:
        """Return seconds that what waits and runs of a model takes at each level; what is patient counts less."""
        plain, patient = Group(model), Group(model, patient=True)
        return [
            self.capacity.seconds(
                max(
                    self.backlog.ahead(plain, level),
                    self.backlog.ahead(patient, level) / self._control.patience,
                )
            )
            if self.capacity.workers
            else 0.0
            for level in range(self.controllers[model].levels)
        ]

    def offered(self, model: str, loras: Mapping[str, float] = MappingProxyType({})) -> tuple[PointCard, ...]:
        """Return the points of a model, with LoRAs by their weights, that may be asked for: those above the floor."""
        return offered(front_for(self.cards[model], loras).points, self._points)

    def ladder(self, task: Task, wishes: PointWishes) -> Ladder:
        """Return the points that a task may be given.

        Raises:
            FrontError: if none meets its wishes.
            Error: if its model is unknown.
        """
        card = self.cards.get(task.model)
        if card is None:
            meant = nearest(task.model, self.cards)
            names = ", ".join(sorted(self.cards)) or "a model, of which no worker has any"
            raise Error(f"model {task.model!r}", names, f"did you mean {meant!r}?" if meant else "name one of them")
        return ladder_of(card, task.arguments, wishes, self._points, task.pictures, task.loras)

    def outlook(self, task: Task, wishes: PointWishes) -> Outlook:
        """Return what a task would be given now.

        Raises:
            FrontError: if no point meets its wishes.
            Error: if its model is unknown.
        """
        ladder = self.ladder(task, wishes)
        return Outlook(ladder, self._place(task.model, ladder))

    def _place(self, model: str, ladder: Ladder) -> int:
        place = self._ladders[model].first + self.controllers[model].level
        return min(max(place, ladder.first), ladder.last)

    def price(self, task: Task, wishes: PointWishes, ladder: Ladder) -> tuple[Group, tuple[float, ...]]:
        """Return the line that a task waits in, and its predicted seconds at each level of its model's controller."""
        card, server = self.cards[task.model], self._ladders[task.model]
        places = range(server.first, server.last + 1)
        levels = tuple(self._predictor.predict(card, task, ladder.at(place)) for place in places)
        return Group(task.model, wishes.durable and wishes.deadline is None), levels

    def enter(self, task: Task, wishes: PointWishes, owner: Owner, count: int, bytes: int, now: float) -> Ticket:
        """Let a request in.

        Raises:
            Refused: if it is not.
            FrontError: if no point meets its wishes.
            Error: if its model is unknown.
        """
        ladder = self.ladder(task, wishes)
        group, levels = self.price(task, wishes, ladder)
        alone = self._predictor.predict(self.cards[task.model], task, ladder.points[ladder.last], alone=True)
        return self.door.enter(Demand(owner, group, levels, count, bytes, wishes.deadline, alone), now)

    def admit(self, task: Task, wishes: PointWishes, owner: Owner, ladder: Ladder, *, charged: bool) -> Entry:
        """Let a task in without asking at the door: it was promised before.

        Args:
            task: the task.
            wishes: what is asked of it.
            owner: whose it is.
            ladder: points that it may be given.
            charged: whether this server charged for it when it was promised.
        """
        group, levels = self.price(task, wishes, ladder)
        entry = Entry(group, owner, levels, charged=charged)
        self.backlog.add(entry)
        return entry

    def order(self, waiting: Collection[Run], now: float) -> list[Run]:
        """Return what waits, in the order of its turns."""
        self.shares.update({run.owner for run in waiting})
        return sorted(waiting, key=lambda run: rank(self._claim(run, now), self.shares))

    def _claim(self, run: Run, now: float) -> Claim:
        work = run.entry.levels[self.controllers[run.task.model].level]
        left = None if run.due is None else run.due - now
        generation = self.current[run.task.model].seconds
        return Claim(run.number, run.owner, run.entry.group.patient, work, now - run.came, left, generation)

    def begin(self, run: Run, now: float) -> Task:
        """Choose the point of a run that goes to a worker now, and return the task that it is given."""
        level, point, seconds = self.choose(run, now)
        run.level, run.point, run.predicted, run.begun = level, point, seconds, now
        left = None if run.due is None or run.due <= now else run.due - now
        hurries = left is not None and may_hurry(self.shares.ahead(run.owner), self.current[run.task.model].seconds)
        self.backlog.begin(run.entry, seconds)
        self.shares.spend(run.owner, seconds)
        index = None if point is None else point.index
        id = f"{run.id}~{run.deaths}" if run.deaths else run.id  # what a worker that died still says is not of this one
        user, owner, deadline = run.owner.name, run.owner.whole_name, left if hurries else None
        return replace(run.task, id=id, point=index, user=user, owner=owner, deadline=deadline)

    def choose(self, run: Run, now: float) -> Choice:
        """Return the point of a run: its model's level, or the best after it that meets its deadline."""
        level = self.controllers[run.task.model].level
        points = run.ladder.points[self._place(run.task.model, run.ladder) : run.ladder.last + 1]
        if run.due is not None:
            rest = self.capacity.seconds(self.backlog.rest)
            ends = [rest + self._alone(run, point) for point in points]
            points = points[level_for(run.due - now, ends) or 0 :]
        return Choice(level, points[0], self._predictor.predict(run.card, run.task, points[0]))

    def _alone(self, run: Run, point: PointCard | None) -> float:
        """Seconds of the clock that a run takes by itself."""
        return self.capacity.alone(self._predictor.predict(run.card, run.task, point, alone=True))

    def progress(self, run: Run, update: Progressed) -> None:
        """Note how far a run is."""
        if update.steps > 0:
            begun = max(0, min(update.step, update.steps) - 1) / update.steps
            self._advance(run, 1.0 - begun * (1.0 - DECODING))

    def end(self, run: Run, made: Made | None, room: int, now: float) -> None:
        """Note that a run is over, and learn from what it gave.

        Args:
            run: the run.
            made: what it gave; None if that is nothing.
            room: how many tasks its worker takes.
            now: by the clock.
        """
        if made is not None:
            self._advance(run, 0.0)
            self.made[run.task.model][UNCACHED if run.point is None else run.point.label] += 1
            seconds = made.seconds.get("compute")
            if seconds is not None:
                self._predictor.learn(run.card, run.task, run.point, seconds, run.beside, room)
                self._follow(run.card)
                if run.entry.charged:
                    self.door.rates.correct(now, run.owner.account, seconds - run.entry.least)
        elif run.entry.charged:
            self.door.rates.refund(run.owner.account, run.entry.least * run.entry.left)
        self.backlog.remove(run.entry)

    def _follow(self, card: ModelCard) -> None:
        """Have the model's limits and what is said of it follow what its generations take by now."""
        seconds = self._predictor.generation(card)
        self.current[card.name] = replace(card, seconds=seconds)
        self.controllers[card.name].generation = seconds

    def wait_again(self, run: Run, *, begun: bool = True) -> None:
        """Note that a run whose worker is gone waits again.

        Args:
            run: the run.
            begun: whether the worker had it; then it keeps its point, so that it gives what it would have.
        """
        self.backlog.wait_again(run.entry)
        if begun:
            place = run.ladder.points.index(run.point)
            run.ladder = replace(run.ladder, first=place, last=place)
        else:
            self.shares.spend(run.owner, -run.predicted)
        run.level, run.point, run.predicted, run.begun = None, None, 0.0, None

    def _advance(self, run: Run, left: float) -> None:
        if left < run.entry.left:
            self._done += run.predicted * (run.entry.left - left)
            self.backlog.progress(run.entry, left)
