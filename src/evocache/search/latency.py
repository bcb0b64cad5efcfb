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

from ..schedule import LEAF_KINDS, Component, Schedule, Tree, span_range

Vector = npt.NDArray[np.float64]

NOISE = 0.02
"""Relative error of a timing: the unit in which the fit weighs timings against what is expected of the weights."""

SPREAD = 0.2
"""How far the scale of one kind is expected to lie from the common scale, and `fixed` from what was clocked."""

READ_SECONDS = 2e-5
"""Expected size of the overhead of one read."""

BYTE_SECONDS = 2e-10
"""Expected size of the time per byte that is added or forecast: 5 GB/s."""

READS, BYTES, FIXED, OTHER = "reads", "bytes", "fixed", "other"


class Terms:
    """The terms of a schedule's latency: a vector that is linear in its cells.

    `fixed` is 1; `attention`, `feed_forward`, ... are probed seconds of the leaves that run, by kind; `other` those
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
        self.names = (FIXED, *kinds, OTHER, READS, BYTES)
        self.calls = calls_grid(tree, steps, calls)
        self._seconds = np.zeros((len(tree), len(self.names)))
        for i, component in enumerate(tree):
            kind = component.kind if component.is_leaf else OTHER
            self._seconds[i, self.names.index(kind)] = seconds.get(component.id, 0.0)
        self._passed = np.array([_passed(component) for component in tree])
        self._sizes = np.array([float(sizes.get(component.id, 0)) for component in tree])
        self._moves = np.array([0.0 if component.is_leaf else 2.0 for component in tree])

    def of(self, schedule: Schedule) -> Vector:
        """The terms of a schedule, (terms,)."""
        read = self.calls * schedule.read
        moved = np.where(schedule.orders > 0, schedule.orders + 2.0, self._moves)
        out: Vector = (self.calls * schedule.executed).sum(axis=0) @ self._seconds
        out[0] = 1.0
        out[-2] = read.sum(axis=0) @ self._passed
        out[-1] = (read * moved).sum(axis=0) @ self._sizes
        return out


def calls_grid(tree: Tree, steps: int, calls: Mapping[str, Sequence[float]]) -> Vector:
    """How often each component's denoiser is called at each step, (steps, components), for any number of steps."""
    places = {name: np.round(np.linspace(0, len(given) - 1, steps)).astype(int) for name, given in calls.items()}
    rows = {name: np.asarray(given, dtype=float)[places[name]] for name, given in calls.items()}
    return np.stack([rows.get(component.denoiser, np.ones(steps)) for component in tree], axis=1)


def _passed(component: Component) -> float:
    """Modules that are passed by when a component is read."""
    if component.kind != "span":
        return 1.0
    first, last = span_range(component.id)
    return float(last - first)


def fit(names: Sequence[str], terms: Vector, seconds: Vector, fixed: float) -> dict[str, float]:
    """Non-negative weights of the terms, by least squares on relative errors.

    The scales of all kinds are held near one another (their common scale is free), `fixed` near what was clocked, and
    the overheads near zero; each as firmly as `SPREAD` and `NOISE` say.

    Args:
        names: of the terms, as in `Terms`.
        terms: (schedules, terms).
        seconds: of each schedule, as timed; (schedules,).
        fixed: seconds outside the denoisers, as clocked.
    """
    from scipy.optimize import nnls  # type: ignore[import-untyped,unused-ignore]

    unknowns = len(names) + 1  # the last is the common scale
    rows = np.concatenate([terms / seconds[:, None], np.zeros((len(terms), 1))], axis=1)
    targets = np.ones(len(terms))
    expected: list[tuple[dict[int, float], float]] = []
    for i, name in enumerate(names):
        if name == FIXED:
            unit = max(fixed, NOISE * float(np.median(seconds)))
            expected.append(({i: NOISE / SPREAD / unit}, NOISE / SPREAD * fixed / unit))
        elif name in (READS, BYTES):
            expected.append(({i: NOISE / (READ_SECONDS if name == READS else BYTE_SECONDS)}, 0.0))
        else:
            expected.append(({i: NOISE / SPREAD, unknowns - 1: -NOISE / SPREAD}, 0.0))
    for row, target in expected:
        rows = np.vstack([rows, [row.get(i, 0.0) for i in range(unknowns)]])
        targets = np.append(targets, target)
    weights, _ = nnls(rows, targets)
    return {name: float(weight) for name, weight in zip(names, weights, strict=False)}


@dataclass(frozen=True)
class Accuracy:
    """How well predicted seconds agree with the clock, on schedules that were not fitted to; zeros if none were timed.

    Attributes:
        fitted: number of schedules that the model was fitted to.
        checked: number of other schedules that it was held against.
        median: median of their relative errors.
        largest: largest of their relative errors.
        scatter: median relative deviation of repeated timings of one schedule: what no model can be better than.
    """

    fitted: int = 0
    checked: int = 0
    median: float = 0.0
    largest: float = 0.0
    scatter: float = 0.0

    @classmethod
    def of(cls, predicted: Vector, seconds: Vector, *, fitted: int, scatter: float) -> Accuracy:
        """The accuracy of predictions of timed schedules, (checked,) each."""
        if not len(seconds):
            return cls(fitted, scatter=scatter)
        errors = np.abs(predicted / seconds - 1)
        return cls(fitted, len(errors), float(np.median(errors)), float(errors.max()), scatter)
