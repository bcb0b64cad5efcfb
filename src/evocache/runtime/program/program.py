"""What is applied, from any of the forms in which a user may give it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ...errors import MismatchError, PolicyError
from ...memory.planner.planner import MemoryPlan
from ...model import Model
from ...policies import Gate, Policy, is_spec, parse
from ...schedule import Schedule, Tree
from ...schedule.front import Point
from ...schedule.front.context import Context
from ...schedule.io.json import load
from ...schedule.tree_match import match_tree
from .step_arguments import STEPS, leaves_steps_open

Given = TypeVar("Given")

TRIAL_STEPS = 20
"""Number of steps at which a policy is tried when it is applied, so that errors show at once."""

FAR = 1.5
"""Resampling a schedule by more than this factor is warned about."""


@dataclass(frozen=True)
class Fixed:
    """A program that follows one schedule, resampled where the pipeline asks for another number of steps.

    Attributes:
        given: the schedule.
        steps: `num_inference_steps` for a call that asks for none; None leaves them to the pipeline.
        context: where it was evolved, of a point that knows it; calls outside of it are told of.
    """

    given: Schedule
    steps: int | None = None
    context: Context | None = None

    @property
    def min_steps(self) -> int:
        """Fewest steps that it can be made for."""
        return 1

    def schedule(self, tree: Tree, steps: int) -> Schedule:
        """Return the schedule over a model's own components, for a number of steps."""
        return match_tree(self.given, tree).resampled(steps)

    def __str__(self) -> str:
        return self.given.provenance.origin or f"schedule {self.given.digest}"

    def notice(self, steps: int) -> str | None:
        """Return what a user should know of the schedule for a number of steps.

        It is told where it was made for a very different one.
        """
        if self.context is not None or 1 / FAR <= steps / self.given.steps <= FAR:
            return None  # where a context is known, its number of steps is held against the call's
        return (
            f"the schedule was made for {self.given.steps} steps and is resampled to {steps}: its quality is unknown "
            "there; evolve or choose one made for this number of steps"
        )


Program = Policy | Gate | Fixed
"""What is applied. A policy makes the schedule when the number of steps is known, and one that is fixed is resampled; a
gate decides while the pipeline runs."""


def resolve(what: Schedule | Point | Policy | Gate | str | os.PathLike[str]) -> Program:
    """Resolve what is to be applied, from any of the forms that a user may give.

    Raises:
        PolicyError: if it is none of them.
        ScheduleError: if it is a file that holds no schedule.
    """
    if isinstance(what, Schedule):
        return Fixed(what)
    if isinstance(what, Point):
        return Fixed(what.schedule, what.steps, what.context)
    if isinstance(what, (Policy, Gate)):
        return what
    if isinstance(what, str) and (is_spec(what) or not os.path.isfile(what)):
        return parse(what)
    if isinstance(what, (str, os.PathLike)):
        return Fixed(load(Path(what)))
    raise PolicyError(f"a {type(what).__name__}", "a schedule, a policy, a spec or a file", 'try apply(pipe, "fora:3")')


def with_point_memory(what: object, memory: Given | None, storage: str | None) -> tuple[Given | int | None, str | None]:
    """Memory and storage: those that are given, else those that a point of a front was evolved with."""
    if not isinstance(what, Point):
        return memory, storage
    if memory is None:
        return what.budget, what.storage if storage is None else storage
    return memory, what.storage if storage is None and not isinstance(memory, MemoryPlan) else storage


def with_own_steps(
    program: Program, call: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Keyword arguments of a call, with the number of steps of what is applied if it knows one and they ask for none.

    Args:
        program: what is applied.
        call: the `__call__` of the pipeline's class.
        args: positional arguments, the pipeline first.
        kwargs: keyword arguments.
    """
    own = program.steps if isinstance(program, Fixed) else None
    return {**kwargs, STEPS: own} if own is not None and leaves_steps_open(call, args, kwargs) else {**kwargs}


def refuse_unplannable(program: Program, model: Model) -> None:
    """Refuse to plan the memory of what plans do not know: gates, and calls that are made from others.

    What a gate will hold is not known before the generation. Where guidance makes a step's calls from the first, they
    store other features than that one, and a doubled batch is halved: plans know one kind of call a step.

    Raises:
        PolicyError: if the program is one of these.
    """
    if isinstance(program, Gate):
        raise PolicyError(
            f"{program} with a memory budget or plan",
            "a schedule, whose memory is known before the generation",
            "apply it without a budget, generate, and apply handle.recorded with the budget",
        )
    if (
        match_tree(program.given, model.tree) if isinstance(program, Fixed) else sample_schedule(program, model)
    ).reuses_guidance:
        raise PolicyError(
            f"{program} with a memory budget or plan",
            "a schedule that computes all calls of a step alike",
            "leave guidance out of it, or apply it without a budget",
        )


def sample_schedule(program: Policy, model: Model) -> Schedule:
    """Return the schedule of a policy for a number of steps that it can be made for.

    Raises:
        PolicyError: if it makes no sense for the model.
    """
    return program.schedule(model.tree, max(TRIAL_STEPS, program.min_steps))


def check(program: Program, model: Model) -> None:
    """Refuse what cannot be executed on a model, before anything is changed.

    Raises:
        MismatchError: if a schedule was made for another model.
        PolicyError: if a policy makes no sense for it.
    """
    if isinstance(program, Gate):
        program.governed(model.tree)
        return
    if not isinstance(program, Fixed):
        sample_schedule(program, model)
        return
    schedule = program.given
    if schedule.tree.structure != model.tree.structure:
        made_for = ", ".join(f"{n}: {c}" for n, c in schedule.model.items()) or "another model"
        here = ", ".join(f"{n}: {c}" for n, c in model.classes.items())
        blocks = [len(t.of_kind("block")) for t in (schedule.tree, model.tree)]
        raise MismatchError(
            f"a schedule for {made_for} with {blocks[0]} blocks",
            f"one for {here} with {blocks[1]} blocks",
            "use a schedule that was made for this model",
        )
    match_tree(schedule, model.tree)
