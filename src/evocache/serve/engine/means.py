"""How a request is run: what is applied, and under which memory plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import BudgetError, PipelineError
from ...loading.loras import Loras
from ...memory.planner.planner import MemoryPlan
from ...runtime.choice.wishes import Choice
from ...runtime.program.program import with_point_memory
from ...units import in_bytes
from .turns.call_plans import CallPlans
from .turns.known_plans import KnownPlans
from .turns.reservations import Reservation

Choose = Callable[[Any, Mapping[str, float], MemoryPlan | int | None], Choice]


class Means:
    """How a request is run.

    Args:
        arguments: of the call.
        what: what is applied, as `evocache.apply` takes it.
        wishes: speed-up and quality of a point of the front, as far as they are asked for.
        memory: bytes that the generation may hold, or a plan; None if there is no limit of its own.
        loras: those that act; None for what the pipeline's user has set.

    Attributes:
        what: what is applied; a point of the front where it was chosen.
        plan: how it is made to fit; None where nothing was planned.
        notices: what is said of what was chosen: that nothing was measured, say.
        needs: the bytes that it holds beside the weights; nothing, where nothing was planned.
    """

    def __init__(
        self,
        arguments: Mapping[str, Any],
        what: Any,
        wishes: Mapping[str, float],
        memory: Any,
        loras: Loras | None = None,
    ) -> None:
        self.what: Any = what
        self.plan: MemoryPlan | None = None
        self.notices: list[str] = []
        self.needs = Reservation(0, 0)
        self._arguments, self._wishes, self._memory, self._loras = arguments, wishes, memory, loras
        self._storage = "none"
        self._settled = False
        self._refusal: Exception | None = None

    def settle(self, pipe: Any, choose: Choose, left: int | None, weights: int, known: KnownPlans) -> Reservation:
        """Choose what is applied, and plan it if it has to fit; once, also where that is refused.

        Args:
            pipe: the pipeline.
            choose: chooses what is applied, from what is asked for, wishes, and bytes or a plan.
            left: bytes that there are beside all weights; None if there is no limit.
            weights: of the pipeline.
            known: plans of calls.

        Raises:
            BudgetError: if it cannot be made to fit.
            PipelineError: if the pipeline refuses the call, or a plan moves components that others use.
            Exception: what `evocache.apply` raises for what is asked for.
        """
        self.check()
        if not self._settled:
            try:
                self._settle(pipe, choose, left, weights, known)
            except Exception as error:
                self.refuse(error)
                raise
            self._settled = True
        return self.needs

    def _settle(self, pipe: Any, choose: Choose, left: int | None, weights: int, known: KnownPlans) -> None:
        given = self._memory
        if isinstance(given, MemoryPlan) and given.offload:
            raise PipelineError(
                "a memory plan in which components leave the device, in an engine whose requests share them",
                "a plan in which they stay",
                "make the plan with offload=False",
            )
        memory = given if given is None or isinstance(given, MemoryPlan) else in_bytes(given)
        choice = choose(self.what, self._wishes, memory)
        self.what = choice.what
        self.notices = [choice.text] if choice.notable else []
        limits = [] if left is None else [left + weights]
        if isinstance(memory, MemoryPlan):
            self.plan, self._storage = memory, memory.storage
        else:
            budget, storage = with_point_memory(self.what, memory, None)
            self._storage = storage or "none"
            limits += [] if budget is None else [budget]
        if not limits and self._storage == "none":
            return
        plans = self._planned(pipe, known)
        if self.plan is None:
            self.plan = plans.within(min(limits, default=plans.whole.peak))
        self.needs = plans.reservation(self.plan)
        if left is not None and sum(self.needs[:2]) > left:
            stages = self.plan.stages.items()
            raise BudgetError(left, {name: held.activations + held.features for name, held in stages})

    def check(self) -> None:
        """Raise what it was refused with, if it was."""
        if self._refusal is not None:
            raise self._refusal.with_traceback(None)

    def refuse(self, error: Exception) -> None:
        """Have it not be run, whoever settles it."""
        self._refusal = error.with_traceback(None)

    def tighten(self, pipe: Any, known: KnownPlans) -> bool:
        """Have it run under a plan that holds less than what it was run under; whether there is one."""
        if isinstance(self._memory, MemoryPlan):
            return False  # it is followed as it is
        try:
            plans = self._planned(pipe, known)
            plan = plans.tighter(self.plan)
        except Exception:  # what memory was short for is what is told
            return False
        if plan is None:
            return False
        self.plan, self.needs = plan, plans.reservation(plan)
        return True

    def _planned(self, pipe: Any, known: KnownPlans) -> CallPlans:
        return known.of(pipe, self._arguments, self.what, self._storage, self._loras)
