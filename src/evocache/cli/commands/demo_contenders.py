"""A trial: the same prompts under several ways of generating them, timed in turn and held against the uncached ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...metrics import Timing, time_interleaved
from ...metrics.clocks import clock_of
from ...policies import parse_policy
from ...policies.static.steps import find_outermost
from ...schedule import Tree, forecast, uniform
from ...schedule.front import Front, Point
from ...validation.contender import Contender, apply_contender
from ..inputs.call_arguments import make_generators

ROUNDS = 4
"""The prompts are split into so many batches; every round each contender generates the next one."""

MIN_ROUNDS = 3

REFERENCE = "uncached"

GROUPS = ((2, 0.9, "half the cost"), (3, 0.4, "a third"), (5, 0.2, "a fifth"))
"""Interval between computed steps, gain of the forecast between them, and what it costs where all else is skipped."""


@dataclass
class Outcome:
    """What a contender did.

    Attributes:
        images: of each prompt, (height, width, 3) in [0, 1]; of a video (frames, height, width, 3).
        timing: seconds a prompt, by round.
        executed: share of the leaves' executions, relative to the reference's number of steps.
        peak_cached_bytes: most bytes of cached features in one batch.
    """

    images: list[npt.NDArray[np.floating[Any]]]
    timing: Timing = field(default_factory=lambda: Timing(()))
    executed: float = 1.0
    peak_cached_bytes: int = 0


def choose_contenders(tree: Tree, steps: int, front: Front | None = None) -> list[Contender]:
    """Choose the untouched pipeline, then contenders at a half, a third and a fifth of its cost, or near it.

    That is reuse, forecast, fewer steps, and the point of a front that computes no more and is best, which may be
    fewer steps, too. Of a U-Net, the deep part alone is skipped, so that more is computed.
    """
    found = [Contender(REFERENCE, "", steps=steps)]
    best: dict[str, list[Contender]] = {}
    reuse = "deepcache" if tree.of_kind("deep") else "fora"
    spans = [c.id for c in find_outermost(tree)]
    for interval, gain, cost in GROUPS:
        computed = range(0, steps, interval)
        reused = parse_policy(f"{reuse}:{interval}").schedule(tree, steps)
        between = uniform(tree, steps, spans, computed, forecast(1, gain)).with_provenance(f"forecast every {interval}")
        share = reused.executed_fraction()
        fewer = round(share * steps)
        group = cost if reuse == "fora" else f"{share:.0%} of the calls"
        found += [
            Contender(f"{reuse}:{interval}", group, share, Point(reused, {})),
            Contender(f"forecast 1 in {interval}", group, share, Point(between, {})),
            Contender(f"{fewer} steps", group, fewer / steps, steps=fewer),
        ]
        best[group] = pick_evolved(front, group, steps, share)
    known = {contender.name for contender in found}
    for group, points in best.items():
        news = [point for point in points if point.name not in known]  # one may be the best of two groups
        place = max(i for i, contender in enumerate(found) if contender.group == group) + 1
        found[place:place] = news
        known.update(point.name for point in news)
    return found


def pick_evolved(front: Front | None, group: str, steps: int, share: float) -> list[Contender]:
    """Pick the best point that executes at most a share, of a front that is compared with this number of steps."""
    if front is None or front.uncached_steps != steps:
        return []
    points = [point for point in front if point.sold and front.executed(point) <= share + 1e-9]
    if not points:
        return []
    point = max(points, key=lambda point: point.measured["quality"])
    own, executed = point.schedule.steps, front.executed(point)
    if front.is_fewer_steps(point):
        return [Contender(f"{own} steps", group, executed, steps=own)]
    name = f"evolved, {executed:.0%}" + (f" in {own} steps" if own != steps else "")
    return [Contender(name, group, executed, point)]


class DemoTrial:
    """Runs contenders on prompts.

    Args:
        pipe: the pipeline.
        prompts: one or more.
        seed: of the first prompt; the next ones follow.
        advance: called after every batch; there are `batches_of` of them.
    """

    def __init__(
        self,
        pipe: Any,
        prompts: Sequence[str],
        seed: int,
        advance: Callable[[], None] = lambda: None,
    ) -> None:
        self.pipe, self.prompts, self.seed, self.advance = pipe, prompts, seed, advance
        size = max(1, len(prompts) // ROUNDS)
        starts = range(0, len(prompts), size)
        self.batches = [range(s, min(s + size, len(prompts))) for s in starts]
        self.rounds = max(MIN_ROUNDS, len(self.batches))
        self.clock = clock_of(pipe)

    def batches_of(self, entrants: Sequence[Contender]) -> int:
        """Return how many batches are generated, two to warm up included."""
        return 2 + len(entrants) * self.rounds

    def run(self, entrants: Sequence[Contender]) -> dict[str, Outcome]:
        """Run the contenders and return outcomes by name; shares of work are relative to the first of them."""
        self._warm_up(entrants)
        outcomes = {c.name: Outcome([np.empty(0)] * len(self.prompts)) for c in entrants}
        cases = {c.name: self._case(c, outcomes[c.name]) for c in entrants}
        timings = time_interleaved(cases, self.rounds, warmup=0, clock=self.clock)
        sizes = [len(self.batches[r % len(self.batches)]) for r in range(self.rounds)]
        for contender in entrants:
            outcome = outcomes[contender.name]
            seconds = timings[contender.name].samples
            outcome.timing = Timing(tuple(s / n for s, n in zip(seconds, sizes, strict=True)))
            outcome.executed *= _count_steps(contender) / _count_steps(entrants[0])
        return outcomes

    def _warm_up(self, entrants: Sequence[Contender]) -> None:
        """Run a few steps of the untouched pipeline and of an accelerated one, of a batch as it will come."""
        some = next((replace(c.point, schedule=c.point.schedule.resampled(3)) for c in entrants if c.point), None)
        for contender in (Contender(REFERENCE, ""), Contender("accelerated", "", point=some)):
            with apply_contender(self.pipe, contender):
                self._generate(self.batches[0], 3)
            self.advance()

    def _case(self, contender: Contender, outcome: Outcome) -> Callable[[], None]:
        turns = iter(self.batches * self.rounds)

        def run() -> None:
            batch = next(turns)
            with apply_contender(self.pipe, contender) as handle:
                for i, image in zip(batch, self._generate(batch, _count_steps(contender)), strict=True):
                    outcome.images[i] = image
                if handle:
                    outcome.executed = handle.stats.executed_fraction
                    outcome.peak_cached_bytes = max(outcome.peak_cached_bytes, handle.stats.peak_cached_bytes)
            self.advance()

        return run

    def _generate(self, batch: range, steps: int) -> npt.NDArray[np.floating[Any]]:
        texts = [self.prompts[i] for i in batch]
        seeds = make_generators([self.seed + i for i in batch])
        given = {"num_inference_steps": steps, "output_type": "np", "generator": seeds}
        images: npt.NDArray[np.floating[Any]] = self.pipe(prompt=texts, return_dict=False, **given)[0]
        return images


def _count_steps(contender: Contender) -> int:
    """Return the steps that a contender of the demo makes: all have a number."""
    assert contender.denoising_steps is not None
    return contender.denoising_steps
