"""What a proof measures: points of a front, the policies it started from, and fewer steps at the same time. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from ..policies import is_spec
from ..schedule import Schedule, Tree
from ..schedule.front import Front, Point
from ..search.cost.latency_model import FIXED
from ..search.cost.schedule_cost import Costs
from ..search.objectives import ERROR
from ..search.optimise.hypervolume import Box
from .contender import Contender

Kind = TypeVar("Kind")

STARTED = 12
"""Most points that are measured in any case since the search was started from them."""


@dataclass(frozen=True)
class Field:
    """Everything that could be measured; `contenders` chooses.

    Args:
        front: the points that the search ended with.
        seeds: what it started from; those that a policy spec makes count.
        costs: to predict times with.
        steps: of the uncached pipeline.
        errors: on the calibration prompts, by digest of a schedule, where they are known.
        called: prompts in the call whose peak was searched; 0 where none was.
        least: fewest steps that a point may have; None where all have the same number.
        start: digests of the schedules that the search was started from; those on the front are measured in any case.
    """

    front: Front
    seeds: Sequence[Schedule]
    costs: Costs
    steps: int
    errors: Mapping[str, float] = field(default_factory=dict)
    called: int = 0
    least: int | None = None
    start: frozenset[str] = frozenset()

    @property
    def tree(self) -> Tree:
        """Components of the pipeline."""
        return next(s.tree for s in [*(point.schedule for point in self.front), *self.seeds])

    @property
    def points(self) -> list[Point]:
        """All points but the uncached pipeline itself, from the fastest to the slowest."""
        points = [p for p in self.front if not (p.schedule.is_full and p.schedule.steps == self.steps)]
        return sorted(points, key=self.seconds)

    def seconds(self, point: Point) -> float:
        """Predict the time of a point: also what it takes to keep it small, where that was searched."""
        known = point.objectives.get("latency") if self.called else None
        return self.costs.latency(point.schedule) if known is None else known

    @property
    def policies(self) -> list[Point]:
        """Seeds that a policy spec makes for all steps and that skip something, from the fastest to the slowest."""
        seeds = [s for s in self.seeds if is_spec(s.provenance.origin) and s.steps == self.steps and not s.is_full]
        policies = sorted(seeds, key=self.costs.latency)
        return [Point(s, {ERROR: self.errors[s.digest]} if s.digest in self.errors else {}) for s in policies]

    def contenders(self, points: int, policies: int, counts: int) -> list[Contender]:
        """Choose at most so many points, policies and numbers of steps; the policies that are strongest on calibration.

        Points that the search was started from come first, and may be more: what comes back is at least as good.
        """
        begun = choose_spread([point for point in self.points if point.schedule.digest in self.start], STARTED)
        chosen = choose_spread(self.points, points, begun)
        found = [Contender(f"front {i}", "front", self.share(p), p) for i, p in enumerate(chosen)]
        for point in self._strongest(policies):
            found.append(Contender(point.schedule.provenance.origin, "seed", self.share(point), point))
        equal = self.equal_steps(chosen)
        return found + [Contender(f"{n} steps", "steps", n / self.steps, steps=n) for n in thin(equal, counts)]

    def _strongest(self, most: int) -> list[Point]:
        """At most so many policies: those that went through the whole search, by hypervolume, then others, by time."""
        policies = self.policies
        known = [p for p in policies if p.objectives]
        priced = [replace(p, objectives={**p.objectives, "seconds": self.costs.latency(p.schedule)}) for p in known]
        chosen = choose_spread(priced, most)
        chosen += thin([p for p in policies if not p.objectives], most - len(chosen))
        digests = {point.schedule.digest for point in chosen}
        return [policy for policy in policies if policy.schedule.digest in digests]

    def share(self, point: Point) -> float:
        """Predict the time of a point, relative to the uncached pipeline's."""
        full = self.costs.latency(Schedule.full(point.schedule.tree, self.steps))
        return self.seconds(point) / full if full else point.schedule.executed_fraction()

    def equal_steps(self, points: Sequence[Point]) -> list[int]:
        """Return the numbers of steps that are predicted to take the time of one of the points, in increasing order."""
        fixed = self.costs.weights.get(FIXED, self.costs.fixed)
        counts = set()
        for point in points:
            full = self.costs.latency(Schedule.full(point.schedule.tree, self.steps))
            share = (self.seconds(point) - fixed) / (full - fixed) if full > fixed else 1.0
            counts.add(max(2, round(self.steps * share)))
        return sorted(count for count in counts if count < self.steps)


def choose_spread(points: Sequence[Point], most: int, first: Sequence[Point] = ()) -> list[Point]:
    """Choose at most `most` points, in their order: the two ends, then whichever adds most hypervolume to those chosen.

    Those of them that come `first` are chosen before, however many they are.
    """
    if len(points) <= most:
        return list(points)
    values = np.array([list(point.objectives.values()) for point in points])
    box = Box.around(values)
    given = [points.index(point) for point in first]
    chosen = list(dict.fromkeys([*given, 0, int(np.argmin(values[:, 0]))]))[: max(most, len(given))]
    while len(chosen) < most:
        left = [i for i in range(len(points)) if i not in chosen]
        chosen.append(max(left, key=lambda i: box.volume(values[[*chosen, i]])))
    return [points[i] for i in sorted(chosen)]


def thin(items: Sequence[Kind], most: int) -> list[Kind]:
    """Choose at most `most` of a sequence, spread evenly, both ends among them."""
    if len(items) <= most:
        return list(items)
    if most < 1:
        return []
    places = np.round(np.linspace(0, len(items) - 1, most)).astype(int)
    return [items[i] for i in dict.fromkeys(places.tolist())]
