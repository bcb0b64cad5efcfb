"""Prices of schedules: predicted latency, multiply-adds and bytes, from measures of the components. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ...schedule import Schedule, Tree, liveness
from .latency_model import FIXED, STEP, Terms


@dataclass(frozen=True)
class Costs:
    """What components cost in one denoiser call, and how that adds up to a generation.

    Attributes:
        seconds: by component id, without its parts, as probed.
        flops: by component id, without its parts.
        sizes: bytes of one stored value, by component id.
        calls: denoiser calls a step (2 with sequential guidance).
        fixed: seconds of a generation outside the denoisers, but for what each step adds if that is known.
        calls_at: by denoiser, its calls at each step; where not given, `calls` at all steps.
        weights: of the terms of the latency model (see `latency.Terms`), as fitted; those that are not given are 1
            for probed seconds, `fixed` for what lies outside, and 0 for the overheads of steps and of reading.
    """

    seconds: Mapping[str, float]
    flops: Mapping[str, float]
    sizes: Mapping[str, int]
    calls: int = 1
    fixed: float = 0.0
    calls_at: Mapping[str, Sequence[float]] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    _made: dict[int, _Vectors] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def varies(self) -> bool:
        """Whether times are known for other numbers of steps than that of the calibration, too."""
        return STEP in self.weights

    def latency(self, schedule: Schedule) -> float:
        """Predict the seconds of a generation."""
        vectors = self._vectors(schedule)
        return float(vectors.terms.of(schedule)[vectors.used] @ vectors.weights[vectors.used])

    def macs(self, schedule: Schedule) -> float:
        """Count the multiply-adds of a generation's denoiser calls."""
        vectors = self._vectors(schedule)
        return float((vectors.terms.calls * schedule.executed).sum(axis=0) @ vectors.macs)

    def memory(self, schedule: Schedule) -> float:
        """Predict the peak bytes of cached features."""
        return float(liveness.compute_peak_bytes(schedule, [self.sizes] * self.calls))

    def price(self, schedule: Schedule, names: tuple[str, ...]) -> dict[str, float]:
        """Return the objectives named, of `latency`, `macs` and `memory`."""
        known = {"latency": self.latency, "macs": self.macs, "memory": self.memory}
        return {name: known[name](schedule) for name in names}

    def terms(self, tree: Tree, steps: int) -> Terms:
        """Return the terms of the latency model for schedules over a tree."""
        everywhere = {root.denoiser: [float(self.calls)] for root in tree.of_kind("denoiser")}
        return Terms(tree, steps, self.seconds, self.sizes, {**everywhere, **self.calls_at})

    def _vectors(self, schedule: Schedule) -> _Vectors:
        """What schedules over one tree are multiplied with, by steps; kept, as a search asks for one tree only."""
        found = self._made.get(schedule.steps)
        if found is None or found.tree is not schedule.tree:
            found = self._made[schedule.steps] = _Vectors(self, schedule.tree, schedule.steps)
        return found


class _Vectors:
    """A price list laid out along the columns of a tree."""

    def __init__(self, costs: Costs, tree: Tree, steps: int) -> None:
        self.tree = tree
        self.terms = costs.terms(tree, steps)
        usual = {**dict.fromkeys(self.terms.names[:-2], 1.0), FIXED: costs.fixed, STEP: 0.0}
        weights = {**usual, **costs.weights}
        self.weights: npt.NDArray[np.float64] = np.array([weights.get(name, 0.0) for name in self.terms.names])
        self.used = [i for i, name in enumerate(self.terms.names) if name != STEP or costs.varies]
        self.macs = np.array([costs.flops.get(c.id, 0.0) / 2 for c in tree])
