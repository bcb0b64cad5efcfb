"""What contenders really hold on a live pipeline, next to what was predicted of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from ..errors import BudgetError, RunError
from ..memory.planner.planner import MemoryPlan
from ..model import discover
from ..runtime.estimate.measure import measure
from ..runtime.estimate.residency import resident
from ..runtime.program.step_arguments import STEPS
from ..search.evaluate.faults import is_device_fault
from ..search.evaluate.local import LocalEvaluator
from ..search.genome.memory_genes import PEAK
from .contender import Contender, apply_contender


def plan_contenders(
    judge: LocalEvaluator, cases: Mapping[str, Contender | None], numbers: Sequence[int]
) -> dict[str, MemoryPlan | None]:
    """Plan how each contender keeps its budget, or else the judge's limit, in a call; by name.

    Those that cannot are left out.
    """
    out: dict[str, MemoryPlan | None] = {}
    for name, contender in cases.items():
        budget = (
            judge.within if contender is None or contender.point is None else contender.point.budget or judge.within
        )
        out[name] = None
        if budget is not None:
            try:
                out[name] = plan_contender(
                    judge.pipe, contender, budget, judge.arguments(numbers, **choose_step_arguments(judge, contender))
                )
            except BudgetError:
                del out[name]
    return out


def plan_contender(pipe: Any, contender: Contender | None, budget: int, call: Mapping[str, Any]) -> MemoryPlan:
    """Return the plan by which a contender, or the uncached pipeline, keeps a budget in a call; nothing is computed.

    Raises:
        BudgetError: if there is none.
    """
    with apply_contender(pipe, contender, budget) as handle:
        assert handle is not None
        return handle.plan(**call)


def choose_step_arguments(judge: LocalEvaluator, contender: Contender | None) -> dict[str, int]:
    """Return what goes before the workload's call, so that the pipeline makes as many steps as a contender has."""
    if contender is None:
        return {}
    call_arguments = {} if contender.steps is None else {STEPS: contender.steps}
    return call_arguments if contender.schedule is None else call_arguments | judge.changes(contender.schedule)


def measure_peaks(
    judge: LocalEvaluator,
    cases: Mapping[str, Contender | None],
    numbers: Sequence[int],
    plans: Mapping[str, MemoryPlan | None],
) -> dict[str, dict[str, float]]:
    """Count what a whole call held when most was held, decoding included, and what was cached; by name."""
    out = {}
    for name, contender in cases.items():
        given = judge.arguments(
            numbers, **choose_step_arguments(judge, contender)
        )  # as a user calls it: decoding included
        try:
            with apply_contender(judge.pipe, contender, plans.get(name)) as handle:
                figures = {PEAK: float(_held(judge.pipe, functools.partial(judge.pipe, **given)))}
                if handle is not None:
                    figures["memory"] = float(handle.stats.peak_cached_bytes)
        except RunError:
            raise
        except Exception as error:  # decoding may fail where the quality needs latents alone
            if is_device_fault(error):
                raise
            continue
        out[name] = figures
    return out


def _held(pipe: Any, call: Callable[[], Any]) -> int:
    """Most bytes that a call holds: what a GPU's allocator says, elsewhere counted tensor by tensor.

    What this process has on the GPU besides, such as a reward model, is not the call's.
    """
    device = torch.device(getattr(pipe, "_execution_device", "cpu"))
    if device.type == "cuda":
        others = torch.cuda.memory_allocated(device) - resident(pipe, device)
        torch.cuda.reset_peak_memory_stats(device)
        call()
        return torch.cuda.max_memory_allocated(device) - max(0, others)
    return max(held.bytes for held in measure(pipe, discover(pipe), call).values())
