"""Memory plans of evaluations: what keeps a schedule within a limit on so many prompts, found once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from ...memory.hardware import machine as measured
from ...memory.planner.planner import Machine, MemoryPlan, plan
from ...model import discover
from ...runtime import apply
from ...runtime.estimate.many import FootprintsOfMany
from ...runtime.estimate.residency import movable
from ...runtime.lru import LRU
from ...schedule import Schedule

PLANS = 64
"""Plans that are kept: batches of one schedule share theirs, and so do rounds of timing."""

Arguments = Callable[[int, int | None], Mapping[str, Any]]
"""Arguments of the call for so many prompts, and so many steps where they are not the usual ones."""


class EvaluationPlans:
    """Plans of one pipeline's calls.

    Args:
        pipe: the pipeline.
        arguments: of its calls.
    """

    def __init__(self, pipe: Any, arguments: Arguments) -> None:
        self._pipe, self._arguments = pipe, arguments
        self._footprints: dict[int, FootprintsOfMany] = {}
        self._plans: LRU[tuple[object, ...], MemoryPlan] = LRU(PLANS)

    def find(
        self, within: int, machine: Machine | None, what: Schedule | str, count: int, storage: str, steps: int
    ) -> MemoryPlan:
        """Return the plan that keeps what is applied within a limit on so many prompts.

        Args:
            within: bytes that the generation may hold.
            machine: what plans go by; None for this one, measured.
            what: a schedule, or a policy.
            count: number of prompts.
            storage: what features are stored in.
            steps: of the uncached generation.

        Raises:
            BudgetError: if there is none.
        """

        def make() -> MemoryPlan:
            if isinstance(what, str):
                return self._plan_policy(within, machine, what, count, storage)
            footprint = self._footprints_of(count, steps).of(what, storage)
            device = torch.device(getattr(self._pipe, "_execution_device", "cpu"))
            return plan(footprint, within, machine or measured(device), offload=movable(self._pipe))

        return self._plans.get_or_make((within, machine, what, count, storage), make)

    def _plan_policy(self, within: int, machine: Machine | None, what: str, count: int, storage: str) -> MemoryPlan:
        with apply(self._pipe, what, memory=within, storage=storage) as handle:
            handle.machine = machine
            return handle.plan(**self._arguments(count, None))

    def _footprints_of(self, count: int, steps: int) -> FootprintsOfMany:
        """What the schedules of so many prompts share."""
        if count not in self._footprints:

            def arguments(own: int) -> Mapping[str, Any]:
                return self._arguments(count, own if own != steps else None)

            self._footprints[count] = FootprintsOfMany(self._pipe, discover(self._pipe), steps, arguments)
        return self._footprints[count]
