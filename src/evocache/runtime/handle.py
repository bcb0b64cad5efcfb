"""The handle of an accelerated pipeline: the one place where a pipeline is changed, and changed back."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from ..display import Displayed
from ..errors import PipelineError
from ..memory import cudnn_workspace
from ..memory.hardware import machine
from ..memory.offload.stage_offload import Offload, leaving
from ..memory.planner.planner import Held, Machine, MemoryPlan
from ..memory.tiers.disk import DiskTier
from ..memory.tiers.host import HostTier
from ..memory.tiers.tier import Tier
from ..model import Model, discover
from ..model.pipeline_components import components_of
from ..schedule import Schedule
from ..schedule.front.context import Context
from ..video.writer import film
from .attach.accelerated_class import accelerate, acceleration, give_back
from .attach.callbacks import outlying_callbacks
from .attach.conflicts import refuse_conflicts
from .attach.snapshot import snapshot
from .call_context import outside_in_loop, outside_of
from .call_key import call_key, state
from .compiled import Compiled
from .estimate.dry_run import dry_run
from .estimate.estimate import FILMED, Planned, planned
from .estimate.measure import measure as measured
from .estimate.residency import movable, offloaded
from .generation import Generation
from .generation_record import Record
from .lru import LRU
from .pipeline_state import State, modules_of
from .program.program import Fixed, Program, check, refuse_unplannable, with_own_steps
from .program.step_arguments import steps_of
from .stats import Stats
from .survey.film_output import FilmOutput
from .user_warnings import warn

Value = TypeVar("Value")


class _Of(Generic[Value]):
    """An attribute of a handle that is its state's."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name.lstrip("_")

    def __get__(self, handle: Handle, owner: type) -> Value:
        value: Value = getattr(handle._state, self._name)
        return value

    def __set__(self, handle: Handle, value: Value) -> None:
        setattr(handle._state, self._name, value)


class Handle(Displayed):
    """An accelerated pipeline's handle: what is applied, what it did, and the way back.

    As a context manager it removes itself at the end, and what was applied before is applied again.

    Attributes:
        storage: the coding that features are stored in.
        memory: the memory plan of the latest generation, or of all; None where nothing is to be planned.
        budget: bytes that a generation may hold; None where there is no limit.
        measure: whether generations are also weighed, stage by stage.
        machine: what plans go by; None to measure the one at hand.
        program: what is applied.
        choice: why that was chosen, in a sentence; empty where the user named it.
    """

    storage = _Of[str]()
    memory = _Of[MemoryPlan | None]()
    budget = _Of[int | None]()
    measure = _Of[bool]()
    machine = _Of[Machine | None]()
    program = _Of[Program]()
    choice = _Of[str]()
    _compiled = _Of[Compiled]()
    _plans = _Of[LRU[object, Planned]]()
    _last = _Of[Generation | Record | None]()
    _stages = _Of[Mapping[str, Held]]()
    _parking = _Of[Tier | None]()
    _away = _Of[Offload | None]()

    def __init__(self, pipe: Any, state: State) -> None:
        self.pipe = pipe
        self._state = state

    @classmethod
    def made(
        cls,
        pipe: Any,
        model: Model,
        program: Program,
        memory: MemoryPlan | int | None = None,
        storage: str = "none",
        measure: bool = False,
        choice: str = "",
    ) -> Handle:
        """Accelerate a pipeline, in the place of what was applied to it before.

        Args:
            pipe: the pipeline.
            model: its denoisers.
            program: what is applied.
            memory: a plan, or bytes that a generation may hold.
            storage: the coding that features are stored in.
            measure: whether generations are also weighed.
            choice: why it was chosen, in a sentence; empty where the user named it.
        """
        state = State(pipe, model, program, storage, measure, _called)
        state.memory = memory if isinstance(memory, MemoryPlan) else None
        if state.memory is None and storage != "none":
            state.memory = MemoryPlan(None, {}, storage=storage)
        state.budget = memory if isinstance(memory, int) else None
        state.choice = choice
        handle = cls(pipe, state)
        state.handle = weakref.ref(handle)
        former = handle_of(pipe)
        if former is not None:
            former._leave()
            state.before = former._state
            if not state.before.entered:
                state.before.before = None  # nobody is going to end it
        handle._install()
        return handle

    @property
    def model(self) -> Model:
        """The pipeline's denoisers, as they were at the latest generation."""
        return self._compiled.model

    @property
    def stats(self) -> Stats:
        """Figures of the latest generation, also while it runs.

        Raises:
            PipelineError: if there has been none.

        >>> with evocache.apply(pipe, "fora:2") as handle:
        ...     _ = pipe("a red fox", num_inference_steps=2)
        >>> handle.stats.calls, handle.stats.executed_fraction
        ({'transformer': 2}, 0.5)
        """
        return self._record.stats().weighed(self._stages)

    @property
    def recorded(self) -> Schedule:
        """The schedule that the latest generation followed; of a gate, its decisions, which replay to the same output.

        What a gate decided at a step is a row; steps that were not run are computed. Its provenance is the spec.

        Raises:
            PipelineError: if there has been no generation.
            PolicyError: if no single schedule does what a gate decided: several passes that differ.

        >>> with evocache.apply(pipe, "fbcache:0.1") as handle:
        ...     _ = pipe("a red fox", num_inference_steps=4)
        >>> handle.recorded
        <Schedule 'fbcache:0.1': 4 steps, ...>
        """
        schedule = self._record.schedule
        if schedule is None:
            raise PipelineError("no denoiser call so far", "a pipeline that has run", "call the pipeline first")
        return schedule

    @property
    def _record(self) -> Record:
        """What the latest generation did so far.

        Raises:
            PipelineError: if there has been none.
        """
        if self._last is None:
            raise PipelineError("no generation so far", "a pipeline that has run", "call the pipeline first")
        return self._last.record if isinstance(self._last, Generation) else self._last

    @property
    def active(self) -> bool:
        """Whether the pipeline is accelerated by this handle.

        >>> handle = evocache.apply(pipe, "fora:2")
        >>> handle.active
        True
        >>> handle.remove()
        >>> handle.active
        False
        """
        return self._state.active

    def plan(self, *args: Any, **kwargs: Any) -> MemoryPlan:
        """Plan the memory of a call of the pipeline with these arguments, without calling it: nothing is computed.

        Where kernels may take more than can be told, so that the budget may be exceeded, a warning says so.

        Plans are kept, those used last: calls that differ only in their pictures' contents and seeds have the same, as
        long as the pipeline is the same: its components, their types and adapters, how its autoencoder is set. Where
        words or numbers differ, the call is followed by a dry run, some milliseconds; it has the plan of any call in
        which the same was seen.

        Raises:
            BudgetError: if the call cannot be made to fit the budget; it says by how much.
            PipelineError: if the pipeline refuses the call.
            PolicyError: if what is applied is a gate.

        >>> with evocache.apply(pipe, "fora:2", memory="1GB") as handle:
        ...     plan = handle.plan("a red fox", num_inference_steps=2)
        >>> plan.budget, sorted(plan.stages)
        (1000000000, ['decode', 'denoise', 'encode'])
        >>> plan.peak < plan.budget
        True
        """
        plan = self._plan(args, kwargs)
        unforeseen = self._unforeseen()
        if unforeseen is not None:
            warn(unforeseen)
        return plan

    def _plan(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, film: bool = False) -> MemoryPlan:
        """The plan for a call, or for a film."""
        kwargs = with_own_steps(self.program, self._state.cls.__call__, (self.pipe, *args), kwargs)
        where = state(self.pipe), self._device, self.budget, self.storage, self.machine, film
        known = self._plans.get((call_key(args, kwargs), where))
        if known is None:
            compiled, _ = self._current()
            refuse_unplannable(self.program, compiled.model)
            spaces = cudnn_workspace.of(self._device.type)
            seen = dry_run(self.pipe, compiled.model, args, kwargs, self._state.cls, spaces, film)
            known = self._plans.get((seen.form, where)) or planned(
                self.pipe,
                compiled,
                self.budget,
                seen,
                machine=self.machine or machine(self._device),
                offload=movable(self.pipe),
                storage=self.storage,
            )
            self._plans[seen.form, where] = self._plans[call_key(args, kwargs), where] = known
        return known.plan

    def _unforeseen(self) -> str | None:
        """Why the memory budget may be exceeded; None where nothing tells against it."""
        if self.budget is None:
            return None
        modules = [part for part in components_of(self.pipe).values() if isinstance(part, nn.Module)]
        reason = cudnn_workspace.unforeseen(self._device.type, modules)
        return None if reason is None else f"the memory budget may be exceeded: {reason}"

    @property
    def _device(self) -> torch.device:
        """Where the pipeline computes, also when its weights are elsewhere in between."""
        return torch.device(self.pipe._execution_device)

    def _offload(self) -> None:
        """Keep on the device what each stage needs, as planned; `remove` undoes it. A user's own offloading stays."""
        needed = dict(self.memory.offload) if self.memory is not None else {}
        if needed == (self._away.stages if self._away is not None else {}) or offloaded(self.pipe):
            return
        self._state.bring_back()
        if needed:
            able = leaving(self.pipe)
            self._away = Offload({name: able[name] for name in needed}, needed, self._device)

    def generation(
        self, *, previews: bool = True, projection: FilmOutput | None = None, steps: int | None = None
    ) -> Generation:
        """Open a generation around a denoising loop of one's own: `with handle.generation(): ...`.

        It holds for calls that are made by the function with the `with` statement, at any depth and in any thread; not
        for others, also while that function is a generator or a coroutine that is suspended.

        Outside of the context of a point that is applied a warning says so, as far as the pipeline tells: solver,
        types, adapters, weights.

        Args:
            previews: whether latents may be decoded in the middle of the loop, or modules exchanged; if not, what is
                cached is let go when they are decoded.
            projection: what decoded frames go to instead of the pipeline.
            steps: number of steps of the loop, where no scheduler is given its timesteps.

        Raises:
            PipelineError: if there is a memory budget, and no plan for the loop; if a cache of diffusers was enabled
                on a denoiser.
        """
        made = self._generation(previews=previews, projection=projection, steps=steps)
        made.warn(outside_in_loop(self._context, self.pipe, self.model, steps))
        return made

    def _generation(self, *, previews: bool, projection: FilmOutput | None, steps: int | None) -> Generation:
        """The same, of which nothing is said."""
        if self.budget is not None and (self.memory is None or self.memory.budget is None):
            raise PipelineError(
                "a memory budget without a plan",
                "a plan for the call that the loop stands for",
                "set handle.memory = handle.plan(**arguments of the call) first",
            )
        compiled, regions = self._current()
        self._stages = {}
        tier = self._tier() if self.memory is not None and self.memory.capacity is not None else None
        return Generation(
            self.pipe,
            compiled,
            previews=previews,
            memory=self.memory,
            tier=tier,
            projection=projection,
            regions=regions,
            steps=steps,
            current=self._current,
            told=self._state.turned,
        )

    @property
    def _context(self) -> Context | None:
        """Where what is applied was evolved, as far as that is known."""
        return self.program.context if isinstance(self.program, Fixed) else None

    def _tier(self) -> Tier:
        """Where features are parked: host memory if the pipeline computes on a GPU, else the disk."""
        state, device = self._state, self._device
        if state.parking is not None and state.parking_for != device:  # the pipeline was moved
            state.parking.close()
            state.parking = None
        if state.parking is None:
            state.parking = HostTier(device) if device.type == "cuda" else DiskTier()
            state.parking_for = device
        return state.parking

    def remove(self) -> None:
        """Give the pipeline back as it was; nothing happens if that was done already.

        A generation that runs, as when this is called in a callback, ends with what it has, as it began.
        """
        self._leave()
        self._state.removed = True

    def _leave(self) -> None:
        state = self._state
        state.active = False
        give_back(self.pipe, state)
        state.let_go()

    def __enter__(self) -> Handle:
        self._state.entered = True
        return self

    def __exit__(self, *_: object) -> None:
        state = self._state
        before, state.before, state.entered = state.before, None, False
        self.remove()
        if before is not None and not before.removed and acceleration(self.pipe) is None:
            Handle(self.pipe, before)._install()

    def __str__(self) -> str:
        from ..memory.planner.plan_table import plan_text
        from ..tables import plain

        found = [f"{self.program} on {type(self.pipe).__name__}" + ("" if self.active else ", removed")]
        found += [self.choice] if self.choice else []
        found += ["no generation so far"] if self._last is None else self.stats.lines()
        found += ["", plan_text(self.memory)] if self.memory is not None else []
        return plain(*found)

    def __repr__(self) -> str:
        return f"<Handle: {self.program} on {type(self.pipe).__name__}{'' if self.active else ', removed'}>"

    def _install(self) -> None:
        """Have calls of the pipeline run inside generations."""
        self._offload()
        self._state.active = True
        accelerate(self.pipe, self._state)

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any], projection: FilmOutput | None = None) -> Any:
        """Call the pipeline inside a generation."""
        call = self._state.cls.__call__
        kwargs = with_own_steps(self.program, call, (self.pipe, *args), kwargs)
        previews = any(name.startswith("callback") and value is not None for name, value in kwargs.items())
        apart = outside_of(self._context, self.pipe, self.model, call, args, kwargs)

        def made() -> Any:
            steps = steps_of(call, (self.pipe, *args), kwargs)
            try:
                with (
                    outlying_callbacks(args, kwargs) as (given, named),
                    self._generation(previews=previews, projection=projection, steps=steps) as now,
                ):
                    now.warn(self._unforeseen(), apart)
                    return call(self.pipe, *given, **named)
            finally:
                if self._away is not None:
                    self._away.rest()

        self._state.computing = getattr(self.pipe, "_execution_device", None)  # pipelines of others may know none
        try:
            if self.budget is not None:
                self.memory = self._plan(args, kwargs, film=projection is not None)
            self._offload()
            return self._weighed(made) if self.measure else made()
        finally:
            self._state.computing = None

    def _weighed(self, made: Callable[[], Any]) -> Any:
        """What a generation makes; what it holds meanwhile is kept for its figures."""
        out: list[Any] = []
        self._stages = measured(self.pipe, self.model, lambda: out.append(made()))
        return out.pop()

    def film(self, path: str | os.PathLike[str], *args: Any, fps: float = 8, **kwargs: Any) -> int:
        """Call the pipeline and write the video that it decodes straight into a file; it is never held as a whole.

        Args:
            path: ends in .mp4, .gif or .webp, or has no suffix: a folder of PNG files.
            args: positional arguments of the call.
            fps: frames a second.
            kwargs: keyword arguments of the call, for one video.

        Returns:
            The number of frames.

        Raises:
            FilmError: if the file cannot be written, or what is decoded are no pictures.
            BudgetError: if the call cannot be made to fit the memory budget.
        """
        with film(path, fps=fps) as out:
            projection = FilmOutput(out.write)
            try:
                self._run(args, {**kwargs, **FILMED}, projection)
            except (NotImplementedError, RuntimeError) as error:
                # the pipeline looked at what it had decoded, which it was not given
                if not out.frames or "meta" not in str(error):
                    raise
            return out.frames

    def _current(self) -> tuple[Compiled, frozenset[str]]:
        """What is applied to the denoisers as they are now, and in which of them modules are compiled.

        If a denoiser was replaced, added or taken away, or a module in one was (an adapter, a quantised layer, a
        block), all are discovered anew, as `apply` would, and what is applied must fit them.

        Raises:
            MismatchError: if it does not.
            PipelineError: if there is no denoiser left, or something is on one that is refused.
        """
        parts = modules_of(self.pipe)
        model = self.model if parts == self._state.parts else discover(self.pipe)
        seen = {denoiser.name: snapshot(denoiser.module) for denoiser in model.denoisers}
        known = seen.keys() == self._state.seen.keys()
        if not known or not all(seen[name].same_modules(self._state.seen[name]) for name in seen):
            if model is self.model:
                model = discover(self.pipe)
            check(self.program, model)
            self._plans.clear()
            self._compiled = Compiled(model, self.program)
        self._state.parts, self._state.seen = parts, seen
        return self._compiled, refuse_conflicts(model, seen)


def _called(pipe: Any, state: State, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return Handle(pipe, state)._run(args, kwargs)


def handle_of(pipe: Any) -> Handle | None:
    """The handle of an accelerated pipeline; None if it is not accelerated."""
    state = acceleration(pipe)
    if not isinstance(state, State):
        return None
    known = None if state.handle is None else state.handle()
    if known is None:
        known = Handle(pipe, state)
        state.handle = weakref.ref(known)
    return known
