"""The handle of an accelerated pipeline: the one place where a pipeline is changed, and changed back."""

from __future__ import annotations

import functools
import os
import warnings
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from ..errors import PipelineError
from ..memory import workspace
from ..memory.disk import DiskTier
from ..memory.film import film
from ..memory.host import HostTier
from ..memory.machine import machine
from ..memory.offload import Offload, leaving
from ..memory.planner import Held, Machine, MemoryPlan
from ..memory.tiers import Tier
from ..model import Model, discover
from ..model.discover import unwrapped
from ..schedule import Schedule
from .asked import steps_of
from .callbacks import outlying_callbacks
from .compiled import Compiled, Program
from .estimate import FILMED, Planned, plan_call
from .form import form, state
from .generation import Generation
from .measured import measured
from .program import asked, check
from .projection import Projection
from .rivals import refuse_rivals
from .snapshot import Snapshot, snapshot
from .stats import Stats
from .whereabouts import movable, offloaded


class Handle:
    """An accelerated pipeline's handle: what is applied, what it did, and the way back.

    As a context manager it removes itself at the end.

    Attributes:
        storage: the coding that features are stored in.
        memory: the memory plan of the latest generation, or of all; None where nothing is to be planned.
        measure: whether generations are also weighed, stage by stage.
        machine: what plans go by; None to measure the one at hand.
    """

    def __init__(
        self,
        pipe: Any,
        model: Model,
        program: Program,
        memory: MemoryPlan | int | None = None,
        storage: str = "none",
        measure: bool = False,
    ) -> None:
        self.pipe = pipe
        self.storage = storage
        self.measure = measure
        self.memory = memory if isinstance(memory, MemoryPlan) else None
        if self.memory is None and storage != "none":
            self.memory = MemoryPlan(None, {}, storage=storage)
        self.budget = memory if isinstance(memory, int) else None
        self.machine: Machine | None = None
        self._plans: dict[object, Planned] = {}
        self.program = program
        self._compiled = Compiled(model, program)
        self._parts = modules_of(pipe)
        self._seen: dict[str, Snapshot] = {d.name: snapshot(d.module) for d in model.denoisers}
        """What the denoisers consist of, as they were discovered."""
        self._last: Generation | None = None
        self._stages: Mapping[str, Held] = {}
        self._class: type = type(pipe)
        self._accelerated: type | None = None
        self._parking: Tier | None = None
        self._parking_for: torch.device | None = None
        self._away: Offload | None = None
        self._computing: torch.device | None = None
        """Where the generation at hand computes; diffusers looks through all modules each time that it is asked."""

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
        return self._last.stats().weighed(self._stages)

    @property
    def recorded(self) -> Schedule:
        """The schedule that the latest generation followed; of a gate, its decisions, which replay to the same output.

        What a gate decided at a step is a row; steps that were not run are computed. Its provenance is the spec.

        Raises:
            PipelineError: if there has been no generation.
            PolicyError: if no single schedule does what a gate decided: several passes that differ.
        """
        schedule = None if self._last is None else self._last.schedule
        if schedule is None:
            raise PipelineError("no generation so far", "a pipeline that has run", "call the pipeline first")
        return schedule

    @property
    def active(self) -> bool:
        """Whether the pipeline is accelerated by this handle."""
        return self._accelerated is not None

    def plan(self, *args: Any, **kwargs: Any) -> MemoryPlan:
        """The memory plan for a call of the pipeline with these arguments, which is not made: nothing is computed.

        Where kernels may take more than can be told, so that the budget may be exceeded, a warning says so.

        Plans are kept: calls that differ only in their words, pictures' contents and seeds have the same, as long as
        the pipeline is the same: its components, their types and adapters, how its autoencoder is set.

        Raises:
            BudgetError: if the call cannot be made to fit the budget; it says by how much.
            PipelineError: if the pipeline refuses the call.
            PolicyError: if what is applied is a gate.
        """
        return self._plan(args, kwargs)

    def _plan(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, film: bool = False) -> MemoryPlan:
        """The plan for a call, or for a film."""
        kwargs = asked(self.program, self._class.__call__, (self.pipe, *args), kwargs)
        key = form(args, kwargs), state(self.pipe), self._device, film
        if key not in self._plans:
            compiled, _ = self._current()
            modules = [part for part in self.pipe.components.values() if isinstance(part, nn.Module)]
            unforeseen = None if self.budget is None else workspace.unforeseen(self._device.type, modules)
            if unforeseen is not None:
                warnings.warn(f"the memory budget may be exceeded: {unforeseen}", stacklevel=3)
            self._plans[key] = plan_call(
                self.pipe,
                compiled,
                self.budget,
                args,
                kwargs,
                machine=self.machine or machine(self._device),
                offload=movable(self.pipe),
                storage=self.storage,
                cls=self._class,
                workspace=workspace.of(self._device.type),
                film=film,
            )
        return self._plans[key].plan

    @property
    def _device(self) -> torch.device:
        """Where the pipeline computes, also when its weights are elsewhere in between."""
        return torch.device(self.pipe._execution_device)

    def _offload(self) -> None:
        """Keep on the device what each stage needs, as planned; `remove` undoes it. A user's own offloading stays."""
        needed = dict(self.memory.offload) if self.memory is not None else {}
        if needed == (self._away.stages if self._away is not None else {}) or offloaded(self.pipe):
            return
        self._bring_back()
        if needed:
            able = leaving(self.pipe)
            self._away = Offload({name: able[name] for name in needed}, needed, self._device)

    def _bring_back(self) -> None:
        """Have all components on the device, as they were."""
        if self._away is not None:
            away, self._away = self._away, None
            away.remove()

    def generation(
        self, *, previews: bool = True, projection: Projection | None = None, steps: int | None = None
    ) -> Generation:
        """A generation to be used around a denoising loop of one's own: `with handle.generation(): ...`.

        It holds for calls that are made by the function with the `with` statement, at any depth and in any thread; not
        for others, also while that function is a generator or a coroutine that is suspended.

        Args:
            previews: whether latents may be decoded in the middle of the loop, or modules exchanged; if not, what is
                cached is let go when they are decoded.
            projection: what decoded frames go to instead of the pipeline.
            steps: number of steps of the loop, where no scheduler is given its timesteps.

        Raises:
            PipelineError: if there is a memory budget, and no plan for the loop; if a cache of diffusers was enabled
                on a denoiser.
        """
        if self.budget is not None and (self.memory is None or self.memory.budget is None):
            raise PipelineError(
                "a memory budget without a plan",
                "a plan for the call that the loop stands for",
                "set handle.memory = handle.plan(**arguments of the call) first",
            )
        compiled, regions = self._current()
        self._stages = {}
        tier = self._tier() if self.memory is not None and self.memory.capacity is not None else None
        self._last = Generation(
            self.pipe,
            compiled,
            previews=previews,
            memory=self.memory,
            tier=tier,
            projection=projection,
            regions=regions,
            steps=steps,
            current=self._current,
        )
        return self._last

    def _tier(self) -> Tier:
        """Where features are parked: host memory if the pipeline computes on a GPU, else the disk."""
        device = self._device
        if self._parking is not None and self._parking_for != device:  # the pipeline was moved
            self._parking.close()
            self._parking = None
        if self._parking is None:
            self._parking = HostTier(device) if device.type == "cuda" else DiskTier()
            self._parking_for = device
        return self._parking

    def remove(self) -> None:
        """Give the pipeline back as it was; nothing happens if that was done already."""
        if self._accelerated is not None and type(self.pipe) is self._accelerated:
            object.__setattr__(self.pipe, "__class__", self._class)
        self._accelerated = None
        self._bring_back()
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
        self._offload()
        cls, handle = self._class, self

        @functools.wraps(cls.__call__)
        def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
            if self is not handle.pipe or not handle.active:  # a copy, or a pipeline built from this one's class
                return cls.__call__(self, *args, **kwargs)
            return handle._run(args, kwargs)

        def computes(self: Any) -> torch.device:
            mine = self is handle.pipe
            if mine and handle._computing is not None:
                return handle._computing
            away = handle._away if mine else None
            return cls._execution_device.fget(self) if away is None else away.device  # type: ignore[attr-defined]

        def __reduce_ex__(self: Any, protocol: Any) -> Any:  # noqa: N807
            reduce: Any = cls.__reduce_ex__
            _, _, *state = reduce(self, protocol)
            return object.__new__, (cls,), *state  # copies and pickles are of the class as it was

        names = ("__module__", "__qualname__", "__doc__")
        body = {**{name: getattr(cls, name) for name in names}, "_evocache_handle": self}
        body |= {"__call__": __call__, "__reduce_ex__": __reduce_ex__, "_execution_device": property(computes)}
        self._accelerated = type(cls)(cls.__name__, (cls,), body)
        object.__setattr__(self.pipe, "__class__", self._accelerated)

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any], projection: Projection | None = None) -> Any:
        """Call the pipeline inside a generation."""
        call = self._class.__call__
        kwargs = asked(self.program, call, (self.pipe, *args), kwargs)
        previews = any(name.startswith("callback") and value is not None for name, value in kwargs.items())

        def made() -> Any:
            steps = steps_of(call, (self.pipe, *args), kwargs)
            try:
                with (
                    outlying_callbacks(args, kwargs) as (given, named),
                    self.generation(previews=previews, projection=projection, steps=steps),
                ):
                    return call(self.pipe, *given, **named)
            finally:
                if self._away is not None:
                    self._away.rest()

        self._computing = getattr(self.pipe, "_execution_device", None)  # pipelines of others may know none
        try:
            if self.budget is not None:
                self.memory = self._plan(args, kwargs, film=projection is not None)
            self._offload()
            return self._weighed(made) if self.measure else made()
        finally:
            self._computing = None

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
            projection = Projection(out.write)
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
        model = self.model if parts == self._parts else discover(self.pipe)
        seen = {denoiser.name: snapshot(denoiser.module) for denoiser in model.denoisers}
        known = seen.keys() == self._seen.keys()
        if not known or not all(seen[name].same_modules(self._seen[name]) for name in seen):
            if model is self.model:
                model = discover(self.pipe)
            check(self.program, model)
            self._plans.clear()
            self._compiled = Compiled(model, self.program)
        self._parts, self._seen = parts, seen
        return self._compiled, refuse_rivals(model, seen)


def modules_of(pipe: Any) -> dict[str, weakref.ref[nn.Module]]:
    """The modules that a pipeline has as components, by name; unwrapped, if they were compiled."""
    held = {name: part for name, part in pipe.components.items() if isinstance(part, nn.Module)}
    return {name: weakref.ref(unwrapped(part)) for name, part in held.items()}
