"""How many seconds of a worker a task takes, and how many predicted seconds the workers do in a second."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping

from ..workers.card import ModelCard, PointCard
from ..workers.task import Picture, Task, Value

HALF_LIFE = 16
"""Tasks after which what was known before counts half."""

DOUBT = 2.0
"""So many tasks of a kind have to be seen until they count as much as those of the wider kind."""

KINDS = 1024
"""Kinds that are remembered: sizes and steps are chosen by users."""

GAIN = 0.75
"""Share of its time alone that a task is taken to need where a worker is full, as long as none was seen."""

CROWD = 0.5
"""Share of a worker's room from which on it is full, as far as what batches gain is concerned."""

FULL = "full"

RATIO = 64.0
"""Most times that a task is taken to be longer, or shorter, than its card says."""

FULL_WORK = 32.0
"""Seconds of full work after which what was seen of the workers' pace before counts half."""

PACE = 1.0
"""Predicted seconds that a worker does in a second, as long as little was seen; it counts as much as `SEEN` seconds."""

SEEN = 4.0

Kind = tuple[object, ...]


class Predictor:
    """Predicts seconds of computing of a task, as they are shared among those that are computed together.

    A card tells what one uncached generation takes alone. A point takes its share of that; other steps, pixels and
    frames take in proportion. The ratio of what tasks took to this is learned as an exponentially weighted mean for the
    model, for the model and point, and for these at the same steps and size; a kind of which few were seen leans on the
    wider one. What batches gain is learned from tasks in company, and kept apart: else what was learned while a server
    was idle would have it refuse requests when many come.
    """

    def __init__(self) -> None:
        self._ratios: OrderedDict[Kind, tuple[float, float]] = OrderedDict()

    def predict(self, card: ModelCard, task: Task, point: PointCard | None, *, alone: bool = False) -> float:
        """Return the seconds that a task takes.

        Args:
            card: of its model.
            task: the task.
            point: of the model's front that it runs at; None computes everything.
            alone: whether nothing is computed with it; otherwise workers are taken to be full.
        """
        kinds = list(_kinds(card, task, point))
        ratio = self._ratio(1.0, kinds)
        if not alone:
            ratio = self._ratio(ratio * GAIN, [(*kind, FULL) for kind in kinds])
        return base_seconds(card, task, point) * ratio

    def _ratio(self, ratio: float, kinds: Iterable[Kind]) -> float:
        for kind in kinds:
            seen, mean = self._ratios.get(kind, (0.0, 1.0))
            ratio += (mean - ratio) * seen / (seen + DOUBT)
        return ratio

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
        ratio = min(RATIO, max(1.0 / RATIO, seconds / base_seconds(card, task, point)))
        kinds, full = list(_kinds(card, task, point)), beside >= CROWD * (room - 1)
        for kind in [*(kinds if beside <= 0 else ()), *((*kind, FULL) for kind in kinds if full)]:
            seen, mean = self._ratios.pop(kind, (0.0, 1.0))
            now = 0.5 ** (1.0 / HALF_LIFE) * seen + 1.0
            self._ratios[kind] = now, mean + (ratio - mean) / now
        while len(self._ratios) > KINDS:
            self._ratios.popitem(last=False)


class Capacity:
    """Learns how many predicted seconds of work a worker does in a second, while it has as much as it can take.

    Predictions are seconds of computing, shared among those that are computed together, so it is near 1. It is more
    where predictions do not know yet what batches gain, and less where other programs use the machine.

    Attributes:
        workers: how many there are.
        room: how many tasks they compute at a time, all together.
    """

    def __init__(self) -> None:
        self.workers = self.room = 0
        self._done = self._busy = 0.0

    @property
    def rate(self) -> float:
        """Predicted seconds that all workers together do in a second; 0 if there are none."""
        return self.workers * (SEEN * PACE + self._done) / (SEEN + self._busy)

    def seconds(self, work: float) -> float:
        """Return how long the workers take for predicted seconds of work; infinity if there are no workers."""
        rate = self.rate
        return work / rate if rate else float("inf")

    def alone(self, work: float) -> float:
        """Return how long one worker takes for predicted seconds of work; infinity if there are no workers."""
        return self.seconds(work) * self.workers if self.workers else float("inf")

    def learn(self, done: float, seconds: float, workers: int) -> None:
        """Note what was done while workers had all that they could take.

        Args:
            done: predicted seconds of the work.
            seconds: how long it took.
            workers: how many there were.
        """
        keep = 0.5 ** (seconds * workers / FULL_WORK)
        self._done = self._done * keep + done
        self._busy = self._busy * keep + seconds * workers


def base_seconds(card: ModelCard, task: Task, point: PointCard | None) -> float:
    """Return what a card says of a task: seconds of one uncached generation, times what it has more or less of."""
    share = 1.0 if point is None else 1.0 / point.speedup
    return max(1e-6, card.seconds * share * _steps(card, task) * _pixels(card, task) * _frames(card, task))


def _kinds(card: ModelCard, task: Task, point: PointCard | None) -> Iterator[Kind]:
    """Kinds that a task is of, the widest first."""
    index = None if point is None else point.index
    yield (card.name,)
    yield card.name, index
    size = _steps(card, task), _pixels(card, task), _frames(card, task)
    yield card.name, index, *(round(math.log2(max(part, 1e-9)) * 8) for part in size)  # within 9 % is the same


def _steps(card: ModelCard, task: Task) -> float:
    """Steps of denoising as a part of the usual ones; from a given picture on only so many as its strength leaves."""
    given = _ratio(card.defaults, task.arguments, "num_inference_steps")
    strength = _number({**card.defaults, **task.arguments}.get("strength"))
    return given * min(1.0, strength) if strength and task.pictures else given


def _pixels(card: ModelCard, task: Task) -> float:
    usual = [_number(card.defaults.get(name)) for name in ("height", "width")]
    given = [_number(task.arguments.get(name)) for name in ("height", "width")]
    shown: Picture | None = task.pictures.get("image")
    sides = [None, None] if shown is None else [float(shown.height), float(shown.width)]
    ratio = 1.0
    for asked, of_picture, normal in zip(given, sides, usual, strict=True):
        if normal:
            ratio *= (asked or of_picture or normal) / normal
    return ratio


def _frames(card: ModelCard, task: Task) -> float:
    return _ratio(card.defaults, task.arguments, "num_frames")


def _ratio(defaults: Mapping[str, Value], arguments: Mapping[str, Value], name: str) -> float:
    given, usual = _number(arguments.get(name)), _number(defaults.get(name))
    return given / usual if given and usual else 1.0


def _number(value: object) -> float | None:
    """A value as a positive number; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        return None
    return float(value)
