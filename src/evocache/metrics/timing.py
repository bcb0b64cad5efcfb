"""Timing cases beside one another: interleaved rounds, medians, and the middle half of ratios. Pure but for the clock.

The one design for proofs, the demo and the benchmarks: every round runs each case once, in an order that changes, and
a case is held against another one of the same round, so that a machine that gets slower or busier favours none.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from time import perf_counter
from typing import TypeVar

from ..schedule.front.comparison import Spread
from .checks import MetricError

Found = TypeVar("Found")

Clock = Callable[[], float]
"""Seconds, from any origin."""

Order = Callable[[Sequence[str], int], Sequence[str]]
"""The order of names in a round, by its number."""


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
        return Spread.of(self.samples).middle

    @property
    def quartiles(self) -> tuple[float, float]:
        """Lower and upper quartile, in seconds."""
        found = Spread.of(self.samples)
        return found.low, found.high

    @property
    def spread(self) -> float:
        """Distance of the quartiles, relative to the median."""
        return Spread.of(self.samples).relative

    def speedup_over(self, other: Timing) -> float:
        """Return how many times faster this is than another case of the same rounds: the median of their ratios."""
        return self.speedups_over(other).middle

    def speedups_over(self, other: Timing) -> Spread:
        """Return the same with its quartiles over rounds. A load that slows a round down slows both, and cancels.

        Raises:
            MetricError: if the two have not been timed together.
        """
        if len(self.samples) != len(other.samples):
            given = f"{len(self.samples)} and {len(other.samples)} samples"
            raise MetricError(given, "two cases of one run", "time them together")
        return Spread.of([theirs / own for theirs, own in zip(other.samples, self.samples, strict=True)])


def alternate(names: Sequence[str], number: int) -> Sequence[str]:
    """Order names as they are, and in every second round in reverse."""
    return list(names)[:: -1 if number % 2 else 1]


def shuffle_by(seed: int) -> Order:
    """Return an order that is another one in each round, and the same for each seed."""

    def order(names: Sequence[str], number: int) -> Sequence[str]:
        shuffled = list(names)
        random.Random(seed + number).shuffle(shuffled)
        return shuffled

    return order


def run_rounds(
    cases: Mapping[str, Callable[[], Found]], order: Order = alternate, *, first: int = 0
) -> Iterator[dict[str, Found]]:
    """Run each case once a round, and yield what they return, by name; there is no last round.

    Args:
        cases: what to run, by name.
        order: of the cases in each round.
        first: number of the first round.
    """
    for number in count(first):
        yield {name: cases[name]() for name in order(list(cases), number)}


def measure_seconds(run: Callable[[], object], clock: Clock = perf_counter) -> float:
    """Run something, and return how long it took, in seconds."""
    began = clock()
    run()
    return clock() - began


def time_interleaved(
    cases: Mapping[str, Callable[[], object]],
    repeats: int = 5,
    warmup: int = 1,
    *,
    clock: Clock = perf_counter,
    more: Callable[[int], bool] = lambda rounds: True,
) -> dict[str, Timing]:
    """Time cases in interleaved rounds, every second one in reverse.

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

    def timed(run: Callable[[], object]) -> Callable[[], float]:
        return lambda: measure_seconds(run, clock)

    timed_cases = {name: timed(run) for name, run in cases.items()}
    rounds = run_rounds(timed_cases, first=-warmup)
    taken = [next(rounds) for _ in range(warmup + 1)]
    while len(taken) < warmup + repeats and more(len(taken)):
        taken.append(next(rounds))
    return {name: Timing(tuple(row[name] for row in taken[warmup:])) for name in cases}
