"""Timing schedules on a live pipeline, in turn with uncached generations, so that a busy machine does not mislead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from ...metrics.clocks import clock_of
from ...model import discover
from ...runtime.attach.call_scope import owner
from ...runtime.generation import Generation
from ...schedule import Schedule
from ..evaluate.local import LocalEvaluator

Clock = Callable[[], float]

BETWEEN = 3
"""Schedules that are timed between two uncached generations."""


Seconds = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Timings:
    """Seconds of schedules, as if all had been timed while the machine was as busy as it usually was.

    Attributes:
        seconds: (schedules,); the median ratio to the uncached generations around, times their median.
        rows: of these, what denoisers took at each step of each schedule, (steps,) each; the uncached generation comes
            last. None where steps cannot be told apart (two stages that count them differently).
        outside: (schedules + 1,) of these, what was spent outside the denoisers; the uncached generation comes last.
        uncached: median of the uncached ones.
        scatter: median deviation of an uncached generation from the mean of those before and after it, relative:
            what a single timing is worth on this machine at this time.
    """

    seconds: Seconds
    rows: tuple[Seconds, ...] | None
    outside: Seconds
    uncached: float
    scatter: float

    def times(self, ratio: float) -> Timings:
        """Return the same where everything takes so many times as long."""
        rows = None if self.rows is None else tuple(row * ratio for row in self.rows)
        return Timings(self.seconds * ratio, rows, self.outside * ratio, self.uncached * ratio, self.scatter)


class _Laps:
    """Seconds of one generation, and those of its denoiser calls by step."""

    def __init__(self, steps: int) -> None:
        self.whole = 0.0
        self.rows = np.zeros(steps)
        self.steps_known = True

    def add(self, step: int, total: int, seconds: float) -> None:
        """A denoiser call at a step of so many took these seconds."""
        self.steps_known = self.steps_known and total == len(self.rows) and step < total
        self.rows[min(step, len(self.rows) - 1)] += seconds

    @property
    def outside(self) -> float:
        """Seconds that were spent outside the denoisers."""
        return max(0.0, float(self.whole - self.rows.sum()))


def time_schedules(
    evaluator: LocalEvaluator,
    schedules: Sequence[Schedule],
    prompts: Sequence[int],
    *,
    rounds: int = 4,
    within: float = float("inf"),
    clock: Clock | None = None,
    planned: bool = True,
) -> Timings:
    """Time schedules on prompts, each once a round, every second round in reverse; uncached ones between.

    Args:
        evaluator: whose pipeline and workload.
        schedules: at least one; they may have fewer steps than the uncached generation, if the evaluator's pipeline
            takes numbers of steps.
        prompts: their numbers.
        rounds: how often each is timed at most.
        within: seconds on the wall after which no other round begins; there is always one.
        clock: seconds from any origin; the fair one of the pipeline when not given.
        planned: whether generations are kept within the evaluator's limit, if it has one.
    """
    clock = clock or clock_of(evaluator.pipe)
    began = perf_counter()
    full = Schedule.full(evaluator.tree, evaluator.steps)
    uncached = [_lapped(evaluator, full, prompts, clock, planned)]
    laps: list[list[_Laps]] = [[] for _ in schedules]
    pace: list[list[float]] = [[] for _ in schedules]
    for number in range(rounds):
        order = range(len(schedules))[:: -1 if number % 2 else 1]
        for start in range(0, len(order), BETWEEN):
            part = order[start : start + BETWEEN]
            for i in part:
                laps[i].append(_lapped(evaluator, schedules[i], prompts, clock, planned))
            uncached.append(_lapped(evaluator, full, prompts, clock, planned))
            before, after = uncached[-2].whole, uncached[-1].whole
            shares = np.arange(1, len(part) + 1) / (len(part) + 1)
            for i, share in zip(part, shares, strict=True):
                pace[i].append(float(before * (1 - share) + after * share))
        if (perf_counter() - began) * (number + 2) / (number + 1) > within:
            break
    own = np.array([lap.whole for lap in uncached])
    middle = float(np.median(own))
    paced = list(zip([*laps, uncached], [*pace, own.tolist()], strict=True))

    def medians(of: Callable[[_Laps], Any]) -> list[Any]:
        """Medians relative to the pace, of each schedule and of the uncached generation."""
        return [np.median([of(lap) / p for lap, p in zip(*both, strict=True)], axis=0) for both in paced]

    steps_known = all(lap.steps_known for several in (*laps, uncached) for lap in several)
    return Timings(
        seconds=np.array(medians(lambda lap: lap.whole)[:-1]) * middle,
        rows=tuple(row * middle for row in medians(lambda lap: lap.rows)) if steps_known else None,
        outside=np.array(medians(lambda lap: lap.outside)) * middle,
        uncached=middle,
        scatter=float(np.median(np.abs(2 * own[1:-1] / (own[:-2] + own[2:]) - 1))) if len(own) > 2 else 0.0,
    )


def measure_time_ratio(evaluator: LocalEvaluator, prompts: Sequence[int], others: Sequence[int]) -> float:
    """Measure how many times as long the uncached generation takes on some prompts as on others."""
    clock = clock_of(evaluator.pipe)

    def seconds(numbers: Sequence[int]) -> float:
        with evaluator.applied("none", numbers):
            began = clock()
            evaluator.generate(numbers)
            return clock() - began

    return float(np.median([seconds(prompts) / seconds(others) for _ in range(BETWEEN)]))


def _lapped(
    evaluator: LocalEvaluator, schedule: Schedule, prompts: Sequence[int], clock: Clock, planned: bool
) -> _Laps:
    laps = _Laps(schedule.steps)
    with evaluator.applied(schedule, prompts, planned=planned), _lapping(evaluator.pipe, laps, clock):
        began = clock()
        evaluator.generate(prompts, **evaluator.changes(schedule))
        laps.whole = clock() - began
    return laps


@contextmanager
def _lapping(pipe: Any, laps: _Laps, clock: Clock) -> Iterator[None]:
    """Within the context, denoiser calls are noted; one that is skipped altogether is not seen, and takes no time."""
    began: list[float] = []

    def before(module: nn.Module, args: Any) -> None:
        began.append(clock())

    def after(module: nn.Module, args: Any, output: Any) -> None:
        at = owner(Generation).clock
        laps.add(at.step, at.total, clock() - began.pop())

    hooks: list[Any] = []
    try:
        for denoiser in discover(pipe).denoisers:
            hooks.append(denoiser.module.register_forward_pre_hook(before))
            hooks.append(denoiser.module.register_forward_hook(after))
        yield
    finally:
        for hook in hooks:
            hook.remove()
