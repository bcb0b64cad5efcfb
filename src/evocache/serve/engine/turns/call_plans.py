"""What a call of a pipeline holds, as it is and run more tightly: planned without computing anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from ....memory import cudnn_workspace
from ....memory.hardware import machine
from ....memory.planner.footprint import Footprint
from ....memory.planner.planner import MemoryPlan, least, plan
from ....model import discover
from ....runtime.compiled import Compiled
from ....runtime.estimate.dry_run import dry_run
from ....runtime.estimate.estimate import detailed, footprint
from ....runtime.open_call import device_of
from ....runtime.program.program import check, refuse_unplannable, resolve, with_own_steps
from .reservations import Reservation


class CallPlans:
    """Plans one call of a pipeline; components stay on their device, since others use them.

    Args:
        pipe: the pipeline.
        arguments: of its call.
        what: what is applied to it, as `resolve` takes it.
        storage: the coding that features are stored in.

    Raises:
        PipelineError: if the pipeline refuses the call.
        PolicyError: if what is applied is a gate, or reuses guidance: plans do not know what these hold.
        ScheduleError: if the schedule was made for another model.
    """

    def __init__(self, pipe: Any, arguments: Mapping[str, Any], what: Any, storage: str = "none") -> None:
        model, program = discover(pipe), resolve(what)
        check(program, model)
        refuse_unplannable(program, model)
        given = with_own_steps(program, type(pipe).__call__, (pipe,), arguments)
        self._pipe, self._compiled, self._device = pipe, Compiled(model, program), device_of(pipe)
        self._seen = dry_run(pipe, model, (), given, workspace=cudnn_workspace.of(self._device.type))
        self._found: dict[int, MemoryPlan] = {}
        self._footprint = footprint(pipe, self._compiled, self._seen, storage=storage)

    @cached_property
    def whole(self) -> MemoryPlan:
        """The plan that changes nothing."""
        return plan(self._footprint, None)

    @cached_property
    def _detailed(self) -> Footprint:
        return detailed(self._footprint, self._pipe, self._compiled, self._seen)

    @cached_property
    def least(self) -> int:
        """Bytes of the least budget that can be met, weights included."""
        return least(self._detailed, offload=False)

    def within(self, budget: int) -> MemoryPlan:
        """Return the plan of least time within a budget, weights included; the one that changes nothing, if that fits.

        Raises:
            BudgetError: if none fits.
        """
        if self.whole.peak <= budget:
            return replace(self.whole, budget=budget)
        if budget not in self._found:
            self._found[budget] = plan(self._detailed, budget, machine(self._device), offload=False)
        return self._found[budget]

    def tighter(self, than: MemoryPlan | None) -> MemoryPlan | None:
        """Return a plan that holds less than one, or than the call as it is: half of what can be saved, then all of it.

        None if nothing is left to be saved.
        """
        now, most = (than or self.whole).peak, self.whole.peak
        for budget in ((self.least + most) // 2, self.least):
            found = self.within(budget) if budget < now else None
            if found is not None and found.peak < now:
                return found
        return None

    def reservation(self, plan: MemoryPlan) -> Reservation:
        """Return what the call holds under a plan, beside the weights."""
        stages = plan.stages.values()
        features = max(held.features for held in stages)
        computing = max(held.activations + held.features for held in stages) - features
        acts = [act.held + act.extent.entry for called in self._seen.acts.values() for act in called]
        return Reservation(features, computing, min(computing, max([*acts, *self._seen.floors.values()])))
