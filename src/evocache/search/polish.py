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

from ..schedule import MAX_ORDER, Schedule
from .hypervolume import Box
from .space import Columns, Space
from .variation import STRUCTURAL, Rng, mutate

TURN = 0.2
"""By how much a gain is turned to see what it does."""

DAMPINGS = (1e-2, 1e-1)
"""Damping of the least-squares problem, relative to the mean square of the moves."""

FARTHEST = 2.0
"""Most by which a gain is changed in one step."""

LARGEST = 4.0
"""Largest magnitude of a gain."""


PROGRESS = 0.05
"""What polishing is expected to gain, relative to the width of the errors' range."""


@dataclass(frozen=True, eq=False)
class Knob:
    """Gains that are turned together: those of some components at one step."""

    step: int
    columns: Columns


def knobs(schedule: Schedule, space: Space, most: int) -> list[Knob]:
    """What can be turned: for each step the containers that are forecast, or the leaves of a kind.

    Where there are more than `most`, those of the steps that are forecast farthest are left out last.
    """
    groups = [*space.outer, *space.kinds.values()]
    found: list[tuple[int, Knob]] = []
    for group in groups:
        for step in np.flatnonzero(schedule.read[:, group].any(axis=1)):
            columns = group[schedule.read[step, group]]
            knob = Knob(int(step), columns)
            if turned(schedule, [knob], [TURN]) != schedule:
                found.append((len(columns) * _weight(schedule, int(step), columns), knob))
    found.sort(key=lambda item: (-item[0], item[1].step, int(item[1].columns[0])))
    return sorted((knob for _, knob in found[:most]), key=lambda knob: (knob.step, int(knob.columns[0])))


def _weight(schedule: Schedule, step: int, columns: Columns) -> int:
    """How many components stand or fall with what is forecast, times how far ahead it is."""
    column = int(columns[0])
    last = int(np.flatnonzero(schedule.executed[:step, column])[-1])
    hidden = int((~schedule.executed[step] & ~schedule.read[step]).sum())
    return (1 + hidden) * (step - last)


def turned(schedule: Schedule, knobs: Sequence[Knob], by: Sequence[float]) -> Schedule:
    """The schedule with gains changed; what was reused is forecast with first order."""
    assert schedule.gains is not None
    orders, gains = schedule.orders.copy(), schedule.gains.copy()
    for knob, change in zip(knobs, by, strict=True):
        orders[knob.step, knob.columns] = np.clip(orders[knob.step, knob.columns], 1, MAX_ORDER)
        gains[knob.step, knob.columns] = np.clip(gains[knob.step, knob.columns] + change, -LARGEST, LARGEST)
    return Schedule.repaired(schedule.tree, orders, gains, model=schedule.model)


def polished(schedule: Schedule, knobs: Sequence[Knob], grams: Sequence[float]) -> list[Schedule]:
    """Schedules with better gains, from cautious to bold.

    Args:
        schedule: what was measured.
        knobs: what was turned, each by `TURN`.
        grams: (1 + knobs)^2 numbers, the Gram matrix of the residual and the moves (`LocalEvaluator.grams`).
    """
    gram = np.asarray(grams, dtype=float).reshape(1 + len(knobs), -1)
    if not knobs or not np.isfinite(gram).all():
        return []
    out = [turned(schedule, knobs, _solved(gram, damping).tolist()) for damping in DAMPINGS]
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
    judged.

    Args:
        space: what may vary.
        rng: of all its randomness.
        most: most knobs that are turned at a time.
    """

    space: Space
    rng: Rng
    most: int = 14

    def __post_init__(self) -> None:
        self._done: set[str] = set()

    def choose(
        self, schedules: Sequence[Schedule], values: npt.NDArray[np.float64], box: Box, count: int
    ) -> list[tuple[Schedule, list[Knob]]]:
        """Schedules to polish, with what is to be turned.

        Every other one is the schedule whose polishing promises most, if it has not been polished; the rest are
        changed ones, of parents that promise much.

        Args:
            schedules: a front.
            values: (schedules, objectives) of it, the error first.
            box: in which hypervolume is measured.
            count: how many.
        """
        out: list[tuple[Schedule, list[Knob]]] = []
        values = values.copy()
        for number in range(count if len(schedules) else 0):
            promise = _promises(values, box)
            fresh = [i for i, schedule in enumerate(schedules) if schedule.digest not in self._done]
            if fresh and (number % 2 == 0 or len(fresh) == len(schedules)):
                chosen = max(fresh, key=lambda i: promise[i])
                schedule = schedules[chosen]
                self._done.add(schedule.digest)
                values[chosen, 0] -= PROGRESS * (box.worst - box.best)[0]
            else:
                parent = self.rng.choice(len(schedules), p=promise / promise.sum())
                schedule = mutate(schedules[int(parent)], self.space, self.rng, STRUCTURAL)
            turnable = knobs(schedule, self.space, self.most)
            if turnable:
                out.append((schedule, turnable))
        return out


def _promises(values: npt.NDArray[np.float64], box: Box) -> npt.NDArray[np.float64]:
    """By how much the hypervolume would grow if the error of a point fell by `PROGRESS`, for each; all above 0."""
    now = box.volume(values)
    out = np.empty(len(values))
    for i in range(len(values)):
        better = values.copy()
        better[i, 0] -= PROGRESS * (box.worst - box.best)[0]
        out[i] = box.volume(better) - now
    return out + 1e-9
