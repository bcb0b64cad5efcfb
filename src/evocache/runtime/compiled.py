"""What is applied to a pipeline, compiled for each number of steps and start, and kept between generations."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from ..model import Denoiser, Model
from ..policies import Gate
from ..schedule import Schedule
from .lru import LRU
from .ops.branch_layout import BranchLayout
from .ops.governed_part import part_of
from .program.plan import Plan
from .program.program import Program

SCHEDULES = 16
"""Numbers of steps whose schedules are kept."""

PLANS = 64
"""Plans that are kept, of all denoisers, numbers of steps, starts and branches."""

GUIDED = 64
"""Denoisers at numbers of steps of which it is known whether they are guided."""


class CompiledPlan(NamedTuple):
    """The plan of a denoiser's branches that begin at one step, and what is looked up of it once for all of them.

    Attributes:
        plan: the plan.
        layout: the components that it touches, and their modules.
        modules: whose calls are changed or watched.
    """

    plan: Plan
    layout: BranchLayout
    modules: tuple[nn.Module, ...]


class Compiled:
    """A program for a model. Schedules and plans are made when they are first asked for.

    Attributes:
        model: the model.
        program: the program.
        gate: the program, if it is a gate.
        governed: what a gate governs in each denoiser.
    """

    def __init__(self, model: Model, program: Program) -> None:
        self.model = model
        self.program = program
        self.gate = program if isinstance(program, Gate) else None
        self.tree, self.governed = self.gate.governed(model.tree) if self.gate else (model.tree, {})
        self._schedules: LRU[int, Schedule] = LRU(SCHEDULES)
        self._reuses_guidance: LRU[tuple[str, int], bool] = LRU(GUIDED)
        self._plans: LRU[tuple[str, int, int, bool], CompiledPlan] = LRU(PLANS)

    def schedule(self, steps: int) -> Schedule:
        """Return the schedule for a number of steps.

        Raises:
            PolicyError: if a gate decides.
        """
        program = self.program
        if isinstance(program, Gate):
            raise program.needs_generation()
        return self._schedules.get_or_make(steps, lambda: program.schedule(self.model.tree, steps))

    def notice(self, steps: int) -> str | None:
        """Return what a user should know of the schedule for a number of steps, if anything."""
        notice = getattr(self.program, "notice", None)
        return None if notice is None else notice(steps)

    def plan(self, denoiser: Denoiser, steps: int, start: int, call_index: int = 0) -> CompiledPlan:
        """Return the plan of a denoiser's branch that is first called at step `start`."""

        def compile() -> CompiledPlan:
            if self.gate is not None:
                return self._undecided(denoiser, steps, start)
            plan = Plan.compile(self.schedule(steps).of_denoiser(denoiser.name).of_branch(call_index), start)
            layout = BranchLayout.of(denoiser, plan)
            return CompiledPlan(plan, layout, layout.touched_modules)

        return self._plans.get_or_make((denoiser.name, steps, start, call_index > 0), compile)

    def reuses_guidance(self, denoiser: str, steps: int) -> bool:
        """Return whether calls of a denoiser are made from the first one of their step, at a number of steps."""
        if self.gate is not None or not steps:
            return False
        return self._reuses_guidance.get_or_make(
            (denoiser, steps), lambda: self.schedule(steps).of_denoiser(denoiser).reuses_guidance
        )

    def makes(self, denoiser: str, steps: int, step: int) -> bool:
        """Return whether calls of a denoiser are made from the first one of their step, at a step."""
        schedule = self.schedule(steps)
        columns = [i for i in schedule.tree.guides if schedule.components[i].denoiser == denoiser]
        return step < schedule.steps and bool(schedule.read[step, columns].any())

    def _undecided(self, denoiser: Denoiser, steps: int, start: int) -> CompiledPlan:
        """The plan of a denoiser under a gate, whose rows are yet to be decided; one that is not governed computes."""
        full = Schedule.full(self.tree, steps).of_denoiser(denoiser.name)
        governed = self.governed.get(denoiser.name)
        if governed is None:
            plan = Plan.compile(full, start)
            return CompiledPlan(plan, BranchLayout.of(denoiser, plan), ())
        plan = Plan(full, start, (), frozenset({full.tree.index[governed.part]}))
        layout, watched = BranchLayout.of(denoiser, plan), part_of(denoiser, governed).watched
        modules = {id(module): module for module in (*layout.touched_modules, *watched)}
        return CompiledPlan(plan, layout, tuple(modules.values()))
