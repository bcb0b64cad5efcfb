"""What an accelerated pipeline holds: what is applied to it, its memory plans, its latest generation."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from ..memory.offload.stage_offload import Offload
from ..memory.planner.planner import Held, Machine, MemoryPlan
from ..memory.tiers.tier import Tier
from ..model import Model
from ..model.discover import unwrapped
from ..model.pipeline_components import components_of
from .attach.snapshot import snapshot
from .attach.subclasses import plain
from .compiled import Compiled
from .estimate.estimate import Planned
from .generation import Generation
from .lru import LRU
from .program.program import Program
from .results.generation_record import Record

PLANS = 64
"""How many memory plans are kept."""

Call = Callable[[Any, "State", tuple[Any, ...], dict[str, Any]], Any]
"""Calls a pipeline with what it holds, positional and keyword arguments."""


Value = TypeVar("Value")


class State:
    """What a pipeline holds while it is accelerated. It knows the pipeline weakly: neither keeps the other alive.

    Attributes:
        owner: the pipeline.
        cls: its class.
        handle: its handle, as long as somebody has it.
        active: whether the pipeline is accelerated by this.
        removed: whether that was ended for good.
        entered: whether it is so within a `with` statement.
        before: what a `with` statement gives back at its end.
        notices: what the user was warned of when it was applied.
        last: the latest generation, or what is kept of it.
        running: generations that are not over.

    The other attributes are the handle's.
    """

    def __init__(self, pipe: Any, model: Model, program: Program, storage: str, measure: bool, call: Call) -> None:
        self.owner = weakref.ref(pipe)
        self._call = call
        self.cls: type = plain(pipe)
        self.handle: weakref.ref[Any] | None = None
        self.active = self.removed = self.entered = False
        self.before: State | None = None
        self.program = program
        self.storage = storage
        self.measure = measure
        self.choice = ""
        self.notices: tuple[str, ...] = ()
        self.memory: MemoryPlan | None = None
        self.budget: int | None = None
        self.machine: Machine | None = None
        self.plans: LRU[object, Planned] = LRU(PLANS)
        self.compiled = Compiled(model, program)
        self.parts = modules_of(pipe)
        self.seen = {denoiser.name: snapshot(denoiser.module) for denoiser in model.denoisers}
        """What the denoisers consist of, as they were discovered."""
        self.last: Generation | Record | None = None
        self.running: list[Generation] = []
        self.stages: Mapping[str, Held] = {}
        self.parking: Tier | None = None
        self.parking_for: torch.device | None = None
        self.away: Offload | None = None
        self.computing: torch.device | None = None

    @property
    def device(self) -> torch.device | None:
        """Where the pipeline computes; None if its class tells."""
        return self.computing or (None if self.away is None else self.away.device)

    def run(self, pipe: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the pipeline."""
        return self._call(pipe, self, args, kwargs)

    def turned(self, generation: Generation) -> None:
        """A generation begins, or is over: figures are kept of it, and what was removed meanwhile is let go."""
        if generation.running:
            self.last = generation
            self.running.append(generation)
            return
        self.running = [other for other in self.running if other is not generation]
        if self.last is generation:
            self.last = generation.record
        if not self.active:
            self.let_go()

    def let_go(self) -> None:
        """Give back what is kept for generations, once none runs that uses it."""
        if self.running:
            return
        self.bring_back()
        if self.parking is not None:
            self.parking.close()
            self.parking = None

    def bring_back(self) -> None:
        """Have all components on the device, as they were."""
        if self.away is not None:
            away, self.away = self.away, None
            away.remove()


def modules_of(pipe: Any) -> dict[str, weakref.ref[nn.Module]]:
    """The modules that a pipeline has as components, by name; unwrapped, if they were compiled."""
    held = {name: part for name, part in components_of(pipe).items() if isinstance(part, nn.Module)}
    return {name: weakref.ref(unwrapped(part)) for name, part in held.items()}


class StateAttribute(Generic[Value]):
    """An attribute of a handle that is its state's."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name.lstrip("_")

    def __get__(self, handle: Any, owner: type) -> Value:
        value: Value = getattr(handle._state, self._name)
        return value

    def __set__(self, handle: Any, value: Value) -> None:
        setattr(handle._state, self._name, value)
