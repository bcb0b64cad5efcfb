"""What a generation costs: operations on paper, seconds on the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..schedule import LEAF_KINDS, Schedule
from ..schedule.front.comparison import Spread
from .checks import MetricError

if TYPE_CHECKING:
    from ..model.probe import Probe


def flops(schedule: Schedule, probe: Probe) -> float:
    """Floating-point operations of the denoiser calls of one generation, with one call a step.

    Guidance in one batch is within the probe's figures; guidance by a second call doubles the result.
    """
    return schedule.cost(probe.exclusive("flops"))


OTHER = "other"
"""What no schedule of leaves skips: embeddings, norms, modulation, changes of resolution, the last layer."""


class Work(NamedTuple):
    """Floating-point operations of a generation: of the uncached one, and of what a schedule executes."""

    uncached: float
    executed: float


def work_by_kind(schedule: Schedule, probe: Probe) -> dict[str, Work]:
    """What the leaves of each kind cost, and what else there is as `other`; together that is all, as `flops` has it."""
    costs: dict[str, dict[str, float]] = {}
    own = probe.exclusive("flops")
    for component in probe.model.tree:
        kind = component.kind if component.is_leaf else OTHER
        costs.setdefault(kind, {})[component.id] = own[component.id]
    order = [kind for kind in (*LEAF_KINDS, OTHER) if kind in costs]
    return {k: Work(schedule.steps * sum(costs[k].values()), schedule.cost(costs[k])) for k in order}


@dataclass(frozen=True)
class Timing:
    """Seconds of one case.

    Attributes:
        samples: in the order in which they were taken.
    """

    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median, in seconds."""
        return float(np.median(self.samples))

    @property
    def quartiles(self) -> tuple[float, float]:
        """Lower and upper quartile, in seconds."""
        low, high = np.quantile(self.samples, (0.25, 0.75))
        return float(low), float(high)

    @property
    def spread(self) -> float:
        """Distance of the quartiles, relative to the median."""
        low, high = self.quartiles
        return (high - low) / self.median

    def speedup_over(self, other: Timing) -> float:
        """How many times faster than another case of the same run: the median of the ratios, round by round."""
        return self.speedups_over(other).middle

    def speedups_over(self, other: Timing) -> Spread:
        """The same with its quartiles over rounds. A load that slows a round down slows both, and cancels.

        Raises:
            MetricError: if the two have not been timed together.
        """
        if len(self.samples) != len(other.samples):
            given = f"{len(self.samples)} and {len(other.samples)} samples"
            raise MetricError(given, "two cases of one run", "time them together")
        low, middle, high = np.quantile(np.divide(other.samples, self.samples), (0.25, 0.5, 0.75))
        return Spread(float(low), float(middle), float(high))


def interleaved(
    cases: Mapping[str, Callable[[], object]],
    repeats: int = 5,
    warmup: int = 1,
    *,
    clock: Callable[[], float] = perf_counter,
    more: Callable[[int], bool] = lambda rounds: True,
) -> dict[str, Timing]:
    """Time cases in turn: every round runs each of them once, every second round in reverse.

    So a machine that gets slower or busier does not favour any of them.

    Args:
        cases: what to run, by name.
        repeats: rounds that count, at most.
        warmup: rounds before them that do not.
        clock: seconds, from any origin.
        more: is asked before each round but the first that counts, with the number of rounds that are over, those
            before them included; no further round begins where it says no.

    Raises:
        MetricError: if there is no case, or no round that counts.
    """
    if not cases or repeats < 1 or warmup < 0:
        given = f"{len(cases)} cases, {repeats} rounds, {warmup} rounds before them"
        raise MetricError(given, "at least one case and one round", "name what to time")
    samples: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(-warmup, repeats):
        if number > 0 and not more(number + warmup):
            break
        for name in reversed(list(cases)) if number % 2 else cases:
            start = clock()
            cases[name]()
            seconds = clock() - start
            if number >= 0:
                samples[name].append(seconds)
    return {name: Timing(tuple(taken)) for name, taken in samples.items()}
