"""The memory of a pipeline's calls: their plans, and whether these may be exceeded."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch

from ..memory import cudnn_workspace
from ..memory.hardware import machine
from ..memory.planner.planner import MemoryPlan
from ..model.pipeline_components import list_modules
from .call_key import call_key, state
from .compiled import Compiled
from .estimate.dry_run import dry_run
from .estimate.estimate import plan_seen_call
from .estimate.residency import movable
from .open_call import device_of
from .pipeline_state import State
from .program.program import refuse_unplannable, with_own_steps


class CallMemory:
    """Plans the memory of a pipeline's calls.

    Args:
        pipe: the pipeline.
        of: its state; plans are kept there.
        current: what is applied to its denoisers as they are now, and in which of them modules are compiled.
        device: where the pipeline computes; it is asked when not given.
    """

    def __init__(
        self,
        pipe: Any,
        of: State,
        current: Callable[[], tuple[Compiled, Collection[str]]],
        device: torch.device | None = None,
    ) -> None:
        self._pipe = pipe
        self._state = of
        self._current = current
        self._device = device

    @property
    def device(self) -> torch.device:
        """Where the pipeline computes, also when its weights are elsewhere in between."""
        return device_of(self._pipe) if self._device is None else self._device

    def plan(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, film: bool = False) -> MemoryPlan:
        """Plan the memory of a call, or of a film; plans are kept by the form of the call.

        Raises:
            BudgetError: if the call cannot be made to fit the budget.
            PipelineError: if the pipeline refuses the call.
            PolicyError: if what is applied is a gate.
        """
        of = self._state
        kwargs = with_own_steps(of.program, of.cls.__call__, (self._pipe, *args), kwargs)
        where = state(self._pipe), self.device, of.budget, of.storage, of.machine, film
        known = of.plans.get((call_key(args, kwargs), where))
        if known is None:
            compiled, _ = self._current()
            refuse_unplannable(of.program, compiled.model)
            spaces = cudnn_workspace.of(self.device.type)
            seen = dry_run(self._pipe, compiled.model, args, kwargs, of.cls, spaces, film)
            known = of.plans.get((seen.form, where)) or plan_seen_call(
                self._pipe,
                compiled,
                of.budget,
                seen,
                machine=of.machine or machine(self.device),
                offload=movable(self._pipe),
                storage=of.storage,
            )
            of.plans[seen.form, where] = of.plans[call_key(args, kwargs), where] = known
        return known.plan

    def unforeseen(self) -> str | None:
        """Say why the memory budget may be exceeded; None where nothing tells against it."""
        if self._state.budget is None:
            return None
        reason = cudnn_workspace.unforeseen(self.device.type, [*list_modules(self._pipe).values()])
        return None if reason is None else f"the memory budget may be exceeded: {reason}"
