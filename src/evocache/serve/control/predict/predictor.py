"""How many seconds of a worker a task takes."""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator

from ...workers.card import ModelCard, PointCard
from ...workers.task import Task
from .base_seconds import base_seconds, frames_of, pixels_of, steps_of
from .pace import Pace

HALF_LIFE = 128
"""Tasks of a kind after which what was known of it before counts half: kinds differ by what they are, and what changes
from one hour to the next is the pace of all of them."""

DOUBT = 2.0
"""So many tasks of a kind have to be seen until they count as much as those of the wider kind."""

DIFFERENCE = 0.25
"""Standard deviation of the logarithm of what tasks of a kind take, of which none was seen, to what is predicted."""

KINDS = 1024
"""Kinds that are remembered: sizes and steps are chosen by users."""

CROWD = 0.5
"""Share of a worker's room from which on it is full, as far as what batches gain is concerned; of that the first few
companions gain most, as a square root does."""

FULL = "full"

RATIO = 64.0
"""Most times that a task is taken to be longer, or shorter, than its card says."""

Kind = tuple[object, ...]


class Predictor:
    """Predicts seconds of computing of a task, as they are shared among those that are computed together.

    A card tells what one uncached generation takes alone. A point takes its share of that; other steps, pixels and
    frames take in proportion. How much longer than this the tasks of a model take is learned by its `Pace`, from all of
    them. What a point, and a point at its steps and size, differ by from that is learned as an exponentially weighted
    mean, and apart for full workers; a kind of which few were seen leans on the wider one.
    """

    def __init__(self) -> None:
        self._paces: defaultdict[str, Pace] = defaultdict(Pace)
        self._ratios: OrderedDict[Kind, tuple[float, float]] = OrderedDict()

    def predict(self, card: ModelCard, task: Task, point: PointCard | None, *, alone: bool = False) -> float:
        """Return the seconds that a task takes.

        Args:
            card: of its model.
            task: the task.
            point: of the model's front that it runs at; None computes everything.
            alone: whether nothing is computed with it; otherwise workers are taken to be full.
        """
        ratio = self._paces[card.name].ratio(0.0 if alone else 1.0) * self._own(card, task, point, full=not alone)
        return base_seconds(card, task, point) * _bound(ratio)

    def generation(self, card: ModelCard) -> float:
        """Return the seconds of one uncached generation alone: what the card says, as long as nothing was learned."""
        return self.predict(card, Task("", card.name, {}, 0), None, alone=True)

    def learn(
        self, card: ModelCard, task: Task, point: PointCard | None, seconds: float, beside: float, room: int
    ) -> None:
        """Note what a task took; times that are none are left out.

        Args:
            card: of its model.
            task: the task.
            point: of the model's front that it ran at.
            seconds: of computing, shared with those that it was computed with.
            beside: how many others the worker had meanwhile.
            room: how many tasks the worker takes.
        """
        if not (math.isfinite(seconds) and seconds > 0):
            return
        ratio, pace = _bound(seconds / base_seconds(card, task, point)), self._paces[card.name]
        crowd = CROWD * (room - 1)
        companies = [math.sqrt(min(1.0, beside / crowd))] if crowd else [0.0, 1.0]  # a worker of one is full with it
        for company in companies:
            full = company == 1.0
            kinds = [(*kind, FULL) if full else kind for kind in _kinds(card, task, point)]
            seen, own = self._ratios.get(kinds[-1], (0.0, 1.0))[0], self._own(card, task, point, full=full)
            believed = own * pace.learn(ratio / own, company, DIFFERENCE**2 * DOUBT / (seen + DOUBT))
            for kind in kinds if pace.settled else ():
                self._note(kind, believed / pace.ratio(company))
        while len(self._ratios) > KINDS:
            self._ratios.popitem(last=False)

    def _own(self, card: ModelCard, task: Task, point: PointCard | None, *, full: bool) -> float:
        """How many times as long as others of its model a task takes."""
        kinds = list(_kinds(card, task, point))
        ratio = self._lean(1.0, kinds)
        return self._lean(ratio, [(*kind, FULL) for kind in kinds]) if full else ratio

    def _lean(self, ratio: float, kinds: Iterable[Kind]) -> float:
        for kind in kinds:
            seen, mean = self._ratios.get(kind, (0.0, 1.0))
            ratio += (mean - ratio) * seen / (seen + DOUBT)
        return ratio

    def _note(self, kind: Kind, ratio: float) -> None:
        seen, mean = self._ratios.pop(kind, (0.0, 1.0))
        now = 0.5 ** (1.0 / HALF_LIFE) * seen + 1.0
        self._ratios[kind] = now, mean + (ratio - mean) / now


def _bound(ratio: float) -> float:
    return min(RATIO, max(1.0 / RATIO, ratio))


def _kinds(card: ModelCard, task: Task, point: PointCard | None) -> Iterator[Kind]:
    """Kinds that a task is of within its model, the widest first."""
    index: object = None if point is None else point.index
    if task.loras:  # each is two thin products a layer
        index = index, "loras", len(task.loras)
    yield card.name, index
    size = steps_of(card, task), pixels_of(card, task), frames_of(card, task)
    yield card.name, index, *(round(math.log2(max(part, 1e-9)) * 8) for part in size)  # within 9 % is the same
