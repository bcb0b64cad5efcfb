"""Timing schedules on a live pipeline, in turn with uncached generations, so that a busy machine does not mislead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ..model import discover
from ..runtime import apply
from ..schedule import Schedule
from .evaluate import LocalEvaluator

Clock = Callable[[], float]

BETWEEN = 3
"""Schedules that are timed between two uncached generations."""


@dataclass(frozen=True)
class Timings:
    """Seconds of schedules, as if all had been timed while the machine was as busy as it usually was.

    Attributes:
        seconds: (schedules,); the median ratio to the uncached generations around, times their median.
        uncached: median of the uncached ones.
        fixed: median of what these spent outside the denoisers.
        scatter: median deviation of single ratios from their schedule's median, relative.
    """

    seconds: npt.NDArray[np.float64]
    uncached: float
    fixed: float
    scatter: float


def fair_clock(pipe: Any) -> Clock:
    """The clock that other programs disturb least.

    Where one thread does all the work, the time that this process was given: what a clock shows on an idle machine.
    With more threads or a GPU that time means nothing, and it is the clock on the wall.
    """
    device = getattr(pipe, "_execution_device", "cpu")
    alone = torch.device(device).type == "cpu" and torch.get_num_threads() == 1
    return process_time if alone else perf_counter


def timed(
    evaluator: LocalEvaluator,
    schedules: Sequence[Schedule],
    prompts: Sequence[int],
    *,
    rounds: int = 2,
    clock: Clock | None = None,
) -> Timings:
    """Time schedules on prompts, each once a round, every second round in reverse; uncached ones between.

    Args:
        evaluator: whose pipeline and workload.
        schedules: at least one.
        prompts: their numbers.
        rounds: how often each is timed.
        clock: seconds from any origin; `fair_clock` when not given.
    """
    clock = clock or fair_clock(evaluator.pipe)
    full = Schedule.full(evaluator.tree, evaluator.steps)
    outside: list[float] = []
    uncached: list[float] = []
    ratios: list[list[float]] = [[] for _ in schedules]

    def reference() -> float:
        with _inside(evaluator.pipe, clock) as spent:
            seconds = _seconds(evaluator, full, prompts, clock)
        outside.append(seconds - sum(spent))
        uncached.append(seconds)
        return seconds

    before = reference()
    for number in range(rounds):
        order = range(len(schedules))[:: -1 if number % 2 else 1]
        for start in range(0, len(order), BETWEEN):
            part = order[start : start + BETWEEN]
            taken = [_seconds(evaluator, schedules[i], prompts, clock) for i in part]
            after = reference()
            for place, (i, seconds) in enumerate(zip(part, taken, strict=True)):
                share = (place + 1) / (len(part) + 1)
                ratios[i].append(seconds / (before * (1 - share) + after * share))
            before = after
    middle = float(np.median(uncached))
    medians = np.array([np.median(values) for values in ratios])
    scatter = [abs(r / m - 1) for values, m in zip(ratios, medians, strict=True) for r in values]
    return Timings(medians * middle, middle, max(0.0, float(np.median(outside))), float(np.median(scatter)))


def _seconds(evaluator: LocalEvaluator, schedule: Schedule, prompts: Sequence[int], clock: Clock) -> float:
    with apply(evaluator.pipe, schedule):
        began = clock()
        evaluator.generate(prompts)
        return clock() - began


@contextmanager
def _inside(pipe: Any, clock: Clock) -> Iterator[list[float]]:
    """Within the context, the seconds of every denoiser call are noted (of its launches, on a GPU)."""
    spent: list[float] = []
    began: list[float] = []

    def before(module: nn.Module, args: Any) -> None:
        began.append(clock())

    def after(module: nn.Module, args: Any, output: Any) -> None:
        spent.append(clock() - began.pop())

    hooks: list[Any] = []
    try:
        for denoiser in discover(pipe).denoisers:
            hooks.append(denoiser.module.register_forward_pre_hook(before))
            hooks.append(denoiser.module.register_forward_hook(after))
        yield spent
    finally:
        for hook in hooks:
            hook.remove()
