"""`apply` and its inverse: the one place where a pipeline is changed."""

from __future__ import annotations

import functools
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import MismatchError, PipelineError, PolicyError
from ..memory.coding import checked
from ..memory.disk import DiskTier
from ..memory.host import HostTier
from ..memory.machine import machine
from ..memory.planner import MemoryPlan
from ..memory.tiers import Tier
from ..model import Model, discover
from ..model.discover import unwrapped
from ..policies import Policy, is_spec, parse
from ..schedule import Schedule, Tree
from ..schedule.amounts import in_bytes
from ..schedule.codec import load
from ..schedule.front import Point
from .asked import STEPS, leaves_steps_open
from .compiled import Compiled, Program
from .dry import form
from .estimate import plan_call
from .generation import Generation
from .stats import Stats

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
    """

    given: Schedule
    steps: int | None = None

    @property
    def min_steps(self) -> int:
        """Fewest steps that it can be made for."""
        return 1

    def schedule(self, tree: Tree, steps: int) -> Schedule:
        """The schedule for a number of steps; warns when it was made for a very different one."""
        if steps != self.given.steps and not 1 / FAR <= steps / self.given.steps <= FAR:
            warnings.warn(
                f"the schedule was made for {self.given.steps} steps and is resampled to {steps}: its quality is "
                "unknown there; evolve or choose one made for this number of steps",
                stacklevel=2,
            )
        return self.given.resampled(steps)


class Handle:
    """An accelerated pipeline's handle: what is applied, what it did, and the way back.

    As a context manager it removes itself at the end.

    Attributes:
        storage: the coding that features are stored in.
        memory: the memory plan of the latest generation, or of all; None where nothing is to be planned.
    """

    def __init__(
        self, pipe: Any, model: Model, program: Program, memory: MemoryPlan | int | None = None, storage: str = "none"
    ) -> None:
        self.pipe = pipe
        self.storage = storage
        self.memory = memory if isinstance(memory, MemoryPlan) else None
        if self.memory is None and storage != "none":
            self.memory = MemoryPlan(None, {}, storage=storage)
        self.budget = memory if isinstance(memory, int) else None
        self._plans: dict[object, MemoryPlan] = {}
        self.program = program
        self._compiled = Compiled(model, program)
        self._last: Generation | None = None
        self._class: type = type(pipe)
        self._accelerated: type | None = None
        self._parking: Tier | None = None

    @property
    def model(self) -> Model:
        """The pipeline's denoisers, as they were at the latest generation."""
        return self._compiled.model

    @property
    def stats(self) -> Stats:
        """Figures of the latest generation, also while it runs.

        Raises:
            PipelineError: if there has been none.
        """
        if self._last is None:
            raise PipelineError("no generation so far", "a pipeline that has run", "call the pipeline first")
        return self._last.stats()

    @property
    def active(self) -> bool:
        """Whether the pipeline is accelerated by this handle."""
        return self._accelerated is not None

    def plan(self, *args: Any, **kwargs: Any) -> MemoryPlan:
        """The memory plan for a call of the pipeline with these arguments, which is not made: nothing is computed.

        Plans are kept: calls that differ only in their words, pictures' contents and seeds have the same.

        Raises:
            BudgetError: if the call cannot be made to fit the budget; it says by how much.
            PipelineError: if the pipeline refuses the call.
        """
        key = form(args, kwargs)
        if key not in self._plans:
            compiled = self._current()
            device = next(compiled.model.denoisers[0].module.parameters()).device
            self._plans[key] = plan_call(
                self.pipe,
                compiled,
                self.budget,
                args,
                kwargs,
                machine=machine(device),
                storage=self.storage,
                cls=self._class,
            )
        return self._plans[key]

    def generation(self, *, previews: bool = True) -> Generation:
        """A generation to be used around a denoising loop of one's own: `with handle.generation(): ...`.

        Args:
            previews: whether latents may be decoded in the middle of the loop; if not, what is cached is let go when
                they are decoded.
        """
        tier = self._tier() if self.memory is not None and self.memory.capacity is not None else None
        self._last = Generation(self.pipe, self._current(), previews=previews, memory=self.memory, tier=tier)
        return self._last

    def _tier(self) -> Tier:
        """Where features are parked: host memory if the denoiser is on a GPU, else the disk."""
        if self._parking is None:
            device = next(self.model.denoisers[0].module.parameters()).device
            self._parking = HostTier(device) if device.type == "cuda" else DiskTier()
        return self._parking

    def remove(self) -> None:
        """Give the pipeline back as it was; nothing happens if that was done already."""
        if self._accelerated is not None and type(self.pipe) is self._accelerated:
            object.__setattr__(self.pipe, "__class__", self._class)
        self._accelerated = None
        if self._parking is not None:
            self._parking.close()
            self._parking = None

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"<Handle: {self.program} on {type(self.pipe).__name__}{'' if self.active else ', removed'}>"

    def _install(self) -> None:
        """Swap the pipeline's class for a subclass whose `__call__` runs inside a generation."""
        cls, handle = self._class, self

        @functools.wraps(cls.__call__)
        def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
            if self is not handle.pipe or not handle.active:  # a copy, or a pipeline built from this one's class
                return cls.__call__(self, *args, **kwargs)
            own = handle.program.steps if isinstance(handle.program, Fixed) else None
            if own is not None and leaves_steps_open(cls.__call__, (self, *args), kwargs):
                kwargs = {**kwargs, STEPS: own}
            if handle.budget is not None:
                handle.memory = handle.plan(*args, **kwargs)
            previews = any(name.startswith("callback") and value is not None for name, value in kwargs.items())
            with handle.generation(previews=previews):
                return cls.__call__(self, *args, **kwargs)

        def __reduce_ex__(self: Any, protocol: Any) -> Any:  # noqa: N807
            reduce: Any = cls.__reduce_ex__
            _, _, *state = reduce(self, protocol)
            return object.__new__, (cls,), *state  # copies and pickles are of the class as it was

        names = ("__module__", "__qualname__", "__doc__")
        body = {**{name: getattr(cls, name) for name in names}, "_evocache_handle": self}
        body |= {"__call__": __call__, "__reduce_ex__": __reduce_ex__}
        self._accelerated = type(cls)(cls.__name__, (cls,), body)
        object.__setattr__(self.pipe, "__class__", self._accelerated)

    def _current(self) -> Compiled:
        """What is applied to the denoisers as they are now: a replaced one is discovered anew and must fit."""
        for denoiser in self.model.denoisers:
            held = self.pipe.components.get(denoiser.name)
            if held is None or unwrapped(held) is not denoiser.module:
                model = discover(self.pipe)
                _check(self.program, model)
                self._compiled = Compiled(model, self.program)
                break
        return self._compiled


def apply(
    pipe: Any,
    what: Schedule | Point | Policy | str | os.PathLike[str],
    *,
    memory: MemoryPlan | int | float | str | None = None,
    storage: str | None = None,
) -> Handle:
    """Accelerate a pipeline; `handle.remove()` undoes it exactly. Applying again replaces what was applied.

    Args:
        pipe: a diffusers pipeline with a denoiser.
        what: a schedule or its file, a point of a front, a policy or its spec (`"fora:3"`; see `evocache policies`). A
            point that knows its number of steps is run with it: a call that gives neither `num_inference_steps` nor
            `timesteps` nor `sigmas` is given it. All else is resampled to the steps that the pipeline makes.
        memory: what a generation may hold on the pipeline's device, weights included, such as `"8GB"`. Each call is
            planned before it starts: what is run in slices, which features are parked off the device, how latents are
            decoded. A call that cannot be made to fit raises BudgetError before anything is computed. Or a plan that is
            to be followed as it is.
        storage: the type that features are stored in: `"bf16"`, `"fp8"` or `"int8"` instead of the one that they are
            computed in (`"none"`). It takes less memory and changes the output: how far features come back off is told
            in `memory.coding`, and measured by its `error`. When not given it is the plan's, if there is one.

    Returns:
        The handle.

    Raises:
        PipelineError: if it is no pipeline or has no denoiser.
        PolicyError: if the policy is unknown, or makes no sense for the model; if the storage is unknown, or another
            than that of the memory plan.
        ScheduleError: if the file is no schedule, or was made for another model.
        AmountError: if the memory is no number of bytes.
    """
    most = memory if memory is None or isinstance(memory, MemoryPlan) else in_bytes(memory)
    stored = _storage(most, storage)
    model = discover(pipe)
    if "components" not in dir(type(pipe)):
        raise PipelineError(f"a bare {type(pipe).__name__}", "a diffusers pipeline", "pass the pipeline that uses it")
    program = resolve(what)
    _check(program, model)
    previous = type(pipe).__dict__.get("_evocache_handle")
    if isinstance(previous, Handle) and previous.pipe is pipe:
        previous.remove()
    handle = Handle(pipe, model, program, most, stored)
    handle._install()
    return handle


def _storage(memory: MemoryPlan | int | None, storage: str | None) -> str:
    """The coding that features are stored in: that of the plan, if there is one, or what is asked for, or none."""
    planned = memory.storage if isinstance(memory, MemoryPlan) else None
    if storage is None:
        return planned or "none"
    if planned not in (None, checked(storage)):
        raise PolicyError(
            f"storage {storage!r} with a memory plan for {planned!r}",
            "one of the two",
            "leave storage out, or make the plan for it",
        )
    return storage


def resolve(what: Schedule | Point | Policy | str | os.PathLike[str]) -> Program:
    """What is to be applied, from any of the forms that a user may give.

    Raises:
        PolicyError: if it is none of them.
        ScheduleError: if it is a file that holds no schedule.
    """
    if isinstance(what, Schedule):
        return Fixed(what)
    if isinstance(what, Point):
        return Fixed(what.schedule, what.steps)
    if isinstance(what, Policy):
        return what
    if isinstance(what, str) and (is_spec(what) or not os.path.isfile(what)):
        return parse(what)
    if isinstance(what, (str, os.PathLike)):
        return Fixed(load(Path(what)))
    raise PolicyError(f"a {type(what).__name__}", "a schedule, a policy, a spec or a file", 'try apply(pipe, "fora:3")')


def _check(program: Program, model: Model) -> None:
    """Refuse what cannot be executed on the model, before anything is changed."""
    if not isinstance(program, Fixed):
        program.schedule(model.tree, max(TRIAL_STEPS, program.min_steps))
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
    known = {c.id for c in model.tree if c.kind == "deep"}
    for component in schedule.tree.of_kind("deep"):
        if component.id not in known:
            raise MismatchError(component.id, f"one of {', '.join(sorted(known))}", "use a schedule for this model")
