"""A latency model: seconds of a generation as a weighted sum of what its schedule does. Pure.

What a component costs is probed, but a probe's seconds are not a generation's: measuring slows small modules down,
caches are cold or warm, and reading a feature takes time, too. So the weights of a few terms are fitted to schedules
that were timed, and held near the probe's values where the timings do not say otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...schedule import LEAF_KINDS, Component, Schedule, Tree, span_range

Vector = npt.NDArray[np.float64]

NOISE = 0.03
"""Relative error of a timing: the unit in which the fit weighs timings against what is expected of the weights."""

SPREAD = 0.1
"""How far the scale of one kind is expected to lie from the common scale, and `fixed` from what was clocked."""

FLOOR = 0.1
"""Share of the longest timing that is added to each as the unit of its error: short ones are not known as exactly."""

ROBUST = 5
"""Rounds of reweighting: timings that miss by far, in which another program got in, count for less."""

READ_SECONDS = 2e-5
"""Expected size of the overhead of one read."""

BYTE_SECONDS = 2e-10
"""Expected size of the time per byte that is added or forecast: 5 GB/s."""

READS, BYTES, FIXED, STEP, OTHER = "reads", "bytes", "fixed", "step", "other"


class Terms:
    """The terms of a schedule's latency: a vector that is linear in its cells.

    `fixed` is 1, and `step` the number of steps, each of which costs something outside the denoisers (the scheduler,
    guidance); `attention`, `feed_forward`, ... are probed seconds of the leaves that run, by kind; `other` those
    of blocks, deep parts and denoisers around their leaves; `reads` counts modules that are passed by, and `bytes`
    what is read and written to add residuals and to forecast.

    Args:
        tree: the components.
        steps: number of steps.
        seconds: of one execution without its parts, by component.
        sizes: bytes of one stored value, by component.
        calls: by denoiser, how often it is called at each step of the generation; once where not given.
    """

    def __init__(
        self,
        tree: Tree,
        steps: int,
        seconds: Mapping[str, float],
        sizes: Mapping[str, int],
        calls: Mapping[str, Sequence[float]],
    ) -> None:
        kinds = [kind for kind in LEAF_KINDS if any(c.kind == kind for c in tree)]
        self.names = (FIXED, STEP, *kinds, OTHER, READS, BYTES)
        self.calls = tabulate_calls(tree, steps, calls)
        self._seconds = np.zeros((len(tree), len(self.names)))
        for i, component in enumerate(tree):
            kind = component.kind if component.is_leaf else OTHER
            self._seconds[i, self.names.index(kind)] = seconds.get(component.id, 0.0)
        self._passed = np.array([_passed(component) for component in tree])
        self._sizes = np.array([float(sizes.get(component.id, 0)) for component in tree])
        self._moves = np.array([0.0 if component.is_leaf else 2.0 for component in tree])

    def of(self, schedule: Schedule) -> Vector:
        """Return the terms of a schedule, (terms,)."""
        read = self.calls * schedule.read
        moved = np.where(schedule.orders > 0, schedule.orders + 2.0, self._moves)
        out: Vector = (self.calls * schedule.executed).sum(axis=0) @ self._seconds
        out[:2] = 1.0, schedule.steps
        out[-2] = read.sum(axis=0) @ self._passed
        out[-1] = (read * moved).sum(axis=0) @ self._sizes
        return out

    def rows(self, schedule: Schedule) -> Vector:
        """Return the terms of the denoisers' calls at each step, (steps, terms): `fixed` and `step` are 0."""
        read = self.calls * schedule.read
        moved = np.where(schedule.orders > 0, schedule.orders + 2.0, self._moves)
        out: Vector = (self.calls * schedule.executed) @ self._seconds
        out[:, -2] = read @ self._passed
        out[:, -1] = (read * moved) @ self._sizes
        return out


def tabulate_calls(tree: Tree, steps: int, calls: Mapping[str, Sequence[float]]) -> Vector:
    """Count the calls of each component's denoiser at each step, (steps, components), for any number of steps."""
    places = {name: np.round(np.linspace(0, len(given) - 1, steps)).astype(int) for name, given in calls.items()}
    rows = {name: np.asarray(given, dtype=float)[places[name]] for name, given in calls.items()}
    return np.stack([rows.get(component.denoiser, np.ones(steps)) for component in tree], axis=1)


def _passed(component: Component) -> float:
    """Modules that are passed by when a component is read."""
    if component.kind != "span":
        return 1.0
    first, last = span_range(component.id)
    return float(last - first)


def measure_overhead(counts: Sequence[int], seconds: Vector) -> tuple[float, float]:
    """Fit what a generation takes outside the denoisers, and what each step adds to that; neither is negative.

    A straight line through the medians for each number of steps, weighted by how many generations they are of. It
    takes two numbers of steps to tell the one from the other.

    Args:
        counts: numbers of steps of generations.
        seconds: what each spent outside the denoisers.
    """
    from scipy.optimize import nnls  # type: ignore[import-untyped,unused-ignore]

    known = np.unique(counts)
    own = [seconds[np.asarray(counts) == count] for count in known]
    trust = np.sqrt([len(values) for values in own])
    rows = np.stack([np.ones(len(known)), known], axis=1)
    (fixed, step), _ = nnls(rows * trust[:, None], np.array([np.median(values) for values in own]) * trust)
    return float(fixed), float(step)


def fit(
    names: Sequence[str], terms: Vector, seconds: Vector, fixed: float, step: float | None = None
) -> dict[str, float]:
    """Fit non-negative weights of the terms, by robust least squares (Huber's weights) on relative errors.

    The scales of all kinds are held near one another (their common scale is free), `fixed` and `step` near what was
    clocked, and the overheads near zero; each as firmly as `SPREAD` and `NOISE` say.

    Args:
        names: of the terms, as in `Terms`.
        terms: (timings, terms), of single steps or of whole generations.
        seconds: of each, as timed; (timings,).
        fixed: seconds outside the denoisers, as clocked.
        step: what each step adds to them, as clocked; where not given, it has no weight, and `fixed` holds for one
            number of steps only.
    """
    from scipy.optimize import nnls  # type: ignore[import-untyped,unused-ignore]

    unit = seconds + FLOOR * seconds.max()
    rows = np.concatenate([terms, np.zeros((len(terms), 1))], axis=1) / unit[:, None]  # last: the common scale
    targets = seconds / unit
    if step is None:
        rows = np.delete(rows, names.index(STEP), axis=1)
        names = [name for name in names if name != STEP]
    clocked = {FIXED: fixed, STEP: step or 0.0}
    held = [_expected(names, i, clocked, float(seconds.max())) for i in range(len(names))]
    firm, aims = np.array([row for row, _ in held]), np.array([aim for _, aim in held])
    trust = np.ones(len(rows))
    for _ in range(ROBUST):
        weights, _ = nnls(np.vstack([rows * trust[:, None], firm]), np.concatenate([targets * trust, aims]))
        misses = np.abs(rows @ weights - targets)
        usual = 1.5 * max(float(np.median(misses)) / 0.6745, 1e-9)
        trust = np.sqrt(np.minimum(1.0, usual / np.maximum(misses, 1e-12)))
    return {name: float(weight) for name, weight in zip(names, weights, strict=False)}


def _expected(names: Sequence[str], i: int, clocked: Mapping[str, float], longest: float) -> tuple[list[float], float]:
    """What is expected of a weight before the fit, as an equation in the unit of `NOISE`."""
    row = [0.0] * (len(names) + 1)
    if names[i] in clocked:
        least = NOISE * longest if names[i] == FIXED else NOISE**2 * longest
        row[i] = NOISE / SPREAD / max(clocked[names[i]], least)
        return row, row[i] * clocked[names[i]]
    if names[i] in (READS, BYTES):
        row[i] = NOISE / (READ_SECONDS if names[i] == READS else BYTE_SECONDS)
    else:
        row[i], row[-1] = NOISE / SPREAD, -NOISE / SPREAD
    return row, 0.0


@dataclass(frozen=True)
class Accuracy:
    """How well predicted seconds agree with the clock, on schedules that were not fitted to; zeros if none were timed.

    Attributes:
        fitted: number of schedules that the model was fitted to.
        checked: number of other schedules that it was held against.
        median: median of their relative errors.
        largest: largest of their relative errors.
        scatter: median relative deviation of uncached generations from their neighbours: the noise of one timing.
    """

    fitted: int = 0
    checked: int = 0
    median: float = 0.0
    largest: float = 0.0
    scatter: float = 0.0

    @classmethod
    def of(cls, predicted: Vector, seconds: Vector, *, fitted: int, scatter: float) -> Accuracy:
        """Return the accuracy of predictions of timed schedules, (checked,) each."""
        if not len(seconds):
            return cls(fitted, scatter=scatter)
        errors = np.abs(predicted / seconds - 1)
        return cls(fitted, len(errors), float(np.median(errors)), float(errors.max()), scatter)
