"""Polishing: forecast gains found by least squares on the end of the trajectory. Pure.

A forecast's gain moves the final output almost linearly, as long as it moves it little. So one generation for each gain
tells how all of them move it together, and the gains that bring it nearest to the uncached output solve a small
least-squares problem: one Gauss-Newton step on the error that counts, that of the final output. (Fitting gains to the
features themselves makes the final error worse: a forecast that is right on average shrinks, and the trajectory
drifts.) A step costs as many generations as there are gains, on a few prompts, and is worth dozens of random changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...schedule import MAX_ORDER, Schedule
from ..genome.search_space import Columns, Space
from ..genome.variation import STRUCTURAL, Rng, mutate
from .hypervolume import Box, Values

TURN = 0.2
"""By how much a gain is turned to see what it does."""

DAMPINGS = (1e-2, 1e-1)
"""Damping of the least-squares problem, relative to the mean square of the moves."""

FARTHEST = 2.0
"""Most by which a gain is changed in one step."""

LARGEST = 4.0
"""Largest magnitude of a gain."""


PROGRESS = 0.05
"""What polishing is expected to gain the first time, relative to the width of the errors' range."""

DECAY = 0.35
"""What polishing the result once more gains, relative to the time before."""

SPENT = 0.1
"""When it is not worth while any more."""


@dataclass(frozen=True, eq=False)
class Knob:
    """Gains that are turned together: those of some components at one step."""

    step: int
    columns: Columns


def list_knobs(schedule: Schedule, space: Space, most: int) -> list[Knob]:
    """Return what can be turned: for each step the containers that are forecast, or the leaves of a kind.

    Where there are more than `most`, those of the steps that are forecast farthest are left out last.
    """
    # computed values that a step may read
    before: npt.NDArray[np.int64] = np.cumsum(schedule.executed, axis=0) - schedule.executed
    turnable = schedule.read & (before >= 2)
    found: list[tuple[int, Knob]] = []
    for group in (*space.outer, *space.kinds.values()):
        for step in np.flatnonzero(turnable[:, group].any(axis=1)):
            columns = group[turnable[step, group]]
            found.append((len(columns) * _weight(schedule, int(step), columns), Knob(int(step), columns)))
    found.sort(key=lambda item: (-item[0], item[1].step, int(item[1].columns[0])))
    return sorted((knob for _, knob in found[:most]), key=lambda knob: (knob.step, int(knob.columns[0])))


def _weight(schedule: Schedule, step: int, columns: Columns) -> int:
    """How many components stand or fall with what is forecast, times how far ahead it is."""
    column = int(columns[0])
    last = int(np.flatnonzero(schedule.executed[:step, column])[-1])
    hidden = int((~schedule.executed[step] & ~schedule.read[step]).sum())
    return (1 + hidden) * (step - last)


def turn_knobs(schedule: Schedule, knobs: Sequence[Knob], by: Sequence[float]) -> Schedule:
    """Return the schedule with gains changed; what was reused is forecast with first order."""
    assert schedule.gains is not None
    orders, gains = schedule.orders.copy(), schedule.gains.copy()
    for knob, change in zip(knobs, by, strict=True):
        orders[knob.step, knob.columns] = np.clip(orders[knob.step, knob.columns], 1, MAX_ORDER)
        gains[knob.step, knob.columns] = np.clip(gains[knob.step, knob.columns] + change, -LARGEST, LARGEST)
    return Schedule.repaired(schedule.tree, orders, gains, model=schedule.model)


def polish_gains(schedule: Schedule, knobs: Sequence[Knob], grams: Sequence[float]) -> list[Schedule]:
    """Make schedules with better gains, from cautious to bold.

    Args:
        schedule: what was measured.
        knobs: what was turned, each by `TURN`.
        grams: (1 + knobs)^2 numbers, the Gram matrix of the residual and the moves (`LocalEvaluator.grams`).
    """
    gram = np.asarray(grams, dtype=float).reshape(1 + len(knobs), -1)
    if not knobs or not np.isfinite(gram).all():
        return []
    out = [turn_knobs(schedule, knobs, _solved(gram, damping).tolist()) for damping in DAMPINGS]
    return list({s.digest: s for s in reversed(out) if s != schedule}.values())


def _solved(gram: npt.NDArray[np.float64], damping: float) -> npt.NDArray[np.float64]:
    """By how much to change the gains: the damped least-squares solution, shortened where it goes too far."""
    products, onto = gram[1:, 1:], -gram[1:, 0]
    ridge = damping * max(float(np.trace(products)) / len(products), 1e-12)
    change = TURN * np.linalg.solve(products + ridge * np.eye(len(products)), onto)
    shortened = change * min(1.0, FARTHEST / max(float(np.abs(change).max()), 1e-12))
    return np.asarray(shortened, dtype=np.float64)


@dataclass
class Polisher:
    """Chooses what is polished: points of the front that have not been, and changed ones that would not survive as yet.

    A schedule with gains made for other computed steps is worse than it could be; so it is polished before it is
    judged. Fronts are given as schedules and their values (schedules, objectives), the error first.

    Args:
        space: what may vary.
        box: in which hypervolume is measured.
        rng: of all its randomness.
        most: most knobs that are turned at a time.
        litter: how many changed schedules are tried for one that is polished.
    """

    space: Space
    box: Box
    rng: Rng
    most: int = 14
    litter: int = 6

    def __post_init__(self) -> None:
        self._done: set[str] = set()
        self._rounds: dict[str, int] = {}  # how often what a schedule came from was polished in a row

    def points(self, schedules: Sequence[Schedule], values: Values, count: int) -> list[Schedule]:
        """Choose points of a front whose polishing promises most hypervolume; what was polished promises less."""
        out: list[Schedule] = []
        values = values.copy()
        while len(out) < count:
            left = np.array([self._left(schedule) for schedule in schedules])
            promise = np.where(left >= SPENT, _promises(values, self.box, left), 0.0)
            chosen = int(np.argmax(promise))
            if not promise[chosen] > 0:
                break
            if self.knobs(schedules[chosen]):
                values[chosen, 0] -= left[chosen] * PROGRESS * (self.box.worst - self.box.best)[0]
                out.append(schedules[chosen])
            self._done.add(schedules[chosen].digest)
        return out

    def results(self, schedule: Schedule, knobs: Sequence[Knob], grams: Sequence[float]) -> list[Schedule]:
        """Return what came of polishing a schedule, see `polish_gains`."""
        out = polish_gains(schedule, knobs, grams)
        self._done.add(schedule.digest)
        for result in out:
            self._rounds.setdefault(result.digest, self._rounds.get(schedule.digest, 0) + 1)
        return out

    def _left(self, schedule: Schedule) -> float:
        """What polishing may gain, relative to what it gains the first time."""
        return 0.0 if schedule.digest in self._done else DECAY ** self._rounds.get(schedule.digest, 0)

    def litters(self, schedules: Sequence[Schedule], values: Values, count: int) -> list[list[Schedule]]:
        """Change schedules of parents that promise much: a few of each, of which one is to be polished."""
        return [litter for _, litter in self.bred(schedules, values, count)]

    def bred(self, schedules: Sequence[Schedule], values: Values, count: int) -> list[tuple[int, list[Schedule]]]:
        """Return `litters`, each with the number of its parent."""
        promise = _promises(values, self.box, np.ones(len(schedules)))
        out = []
        for _ in range(count):
            parent = int(self.rng.choice(len(schedules), p=promise / promise.sum()))
            changed = [mutate(schedules[parent], self.space, self.rng, STRUCTURAL) for _ in range(self.litter)]
            out.append((parent, [child for child in {s.digest: s for s in changed}.values() if self.knobs(child)]))
        return [(parent, litter) for parent, litter in out if litter]

    def pick(self, values: Values, front: Values) -> int:
        """Return which of a litter would add most hypervolume to a front once it is polished."""
        polished = values.copy()
        polished[:, 0] -= PROGRESS * (self.box.worst - self.box.best)[0]
        return int(np.argmax([self.box.volume(np.vstack([front, value])) for value in polished]))

    def knobs(self, schedule: Schedule) -> list[Knob]:
        """Return what is turned of a schedule."""
        return list_knobs(schedule, self.space, self.most)


def _promises(values: Values, box: Box, left: Values) -> Values:
    """By how much the hypervolume would grow if each point's error fell by what is left of `PROGRESS`; all above 0."""
    now = box.volume(values)
    out = np.empty(len(values))
    for i in range(len(values)):
        better = values.copy()
        better[i, 0] -= left[i] * PROGRESS * (box.worst - box.best)[0]
        out[i] = box.volume(better) - now
    return out + 1e-9
