"""What an accelerated pipeline holds: what is applied to it, what is kept between calls, and which calls are open."""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from ..memory.offload.shared_offload import offloads_of, release
from ..memory.planner.planner import Machine, MemoryPlan
from ..memory.tiers.tier_lending import TierLending
from ..model import Model
from ..model.discover import unwrap
from ..model.pipeline_components import list_modules
from .attach.snapshot import snapshot
from .attach.subclasses import plain
from .compiled import Compiled
from .estimate.estimate import Planned
from .lru import LRU
from .open_call import OpenCall
from .program.program import Program

PLANS = 64
"""How many memory plans are kept."""

Call = Callable[[Any, "State", tuple[Any, ...], dict[str, Any]], Any]
"""Calls a pipeline with what it holds, positional and keyword arguments."""


Value = TypeVar("Value")


class State:
    """What a pipeline holds while it is accelerated. It knows the pipeline weakly: neither keeps the other alive.

    What a single call needs is not here: it is the call's own (`runtime.open_call`), since several may be open at once.

    Attributes:
        owner: the pipeline.
        cls: its class.
        handle: its handle, as long as somebody has it.
        active: whether the pipeline is accelerated by this.
        removed: whether that was ended for good.
        entered: whether it is so within a `with` statement.
        before: what a `with` statement gives back at its end.
        notices: what the user was warned of when it was applied.
        open: calls that have begun and are not over, in the order in which they began.
        latest: the call that began last, whether it is over or not; None if there was none.
        tiers: lends calls the tier that they park features in.
        place: where the pipeline computes, if that is the same for all calls; None where each asks.

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
        self.place: torch.device | None = None
        self.notices: tuple[str, ...] = ()
        self.memory: MemoryPlan | None = None
        self.budget: int | None = None
        self.machine: Machine | None = None
        self.plans: LRU[object, Planned] = LRU(PLANS)
        self.compiled = Compiled(model, program)
        self.parts = modules_of(pipe)
        self.seen = {denoiser.name: snapshot(denoiser.module) for denoiser in model.denoisers}
        """What the denoisers consist of, as they were discovered."""
        self._begin_empty()

    def _begin_empty(self) -> None:
        self.open: list[OpenCall] = []
        self.latest: OpenCall | None = None
        self.tiers = TierLending()
        self._lock = threading.Lock()
        self.refreshing = threading.RLock()
        """Held while the denoisers are looked at: threads that see them exchanged go on with one and the same."""

    def of_copy(self, pipe: Any, place: torch.device | None = None) -> State:
        """Return the state of a copy of the pipeline that shares its modules: the same is applied, no call is open.

        Args:
            pipe: the copy.
            place: where all its calls compute; None where each asks.
        """
        own = copy.copy(self)
        own.place = place
        own.owner, own.handle, own.before = weakref.ref(pipe), None, None
        own.active = own.removed = own.entered = False
        own._begin_empty()
        return own

    @property
    def device(self) -> torch.device | None:
        """Where the pipeline computes; None if its class tells."""
        if self.place is not None:
            return self.place
        known = next((call.device for call in reversed(self.open) if call.device is not None), None)
        pipe = self.owner()
        if known is not None or pipe is None:
            return known
        return next((offload.device for offload in offloads_of(pipe)), None)

    def run(self, pipe: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the pipeline."""
        return self._call(pipe, self, args, kwargs)

    def begin_call(self, call: OpenCall) -> None:
        """Note that a call begins: it is the latest."""
        with self._lock:
            self.open = [*self.open, call]
            self.latest = call

    def end_call(self, call: OpenCall) -> None:
        """Let go of what was removed during a call, which is over."""
        with self._lock:
            self.open = [other for other in self.open if other is not call]
        if not self.active:
            self.let_go()

    def let_go(self) -> None:
        """Give back what is kept between calls, once none is open that uses it."""
        pipe = self.owner()
        if self.open:
            return
        try:
            if pipe is not None:
                release(pipe, self)
        finally:
            self.tiers.close()


def modules_of(pipe: Any) -> dict[str, weakref.ref[nn.Module]]:
    """Return the modules that a pipeline has as components, by name; unwrapped, if they were compiled."""
    return {name: weakref.ref(unwrap(part)) for name, part in list_modules(pipe).items()}


class StateAttribute(Generic[Value]):
    """An attribute of a handle that is its state's."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name.lstrip("_")

    def __get__(self, handle: Any, owner: type) -> Value:
        value: Value = getattr(handle._state, self._name)
        return value

    def __set__(self, handle: Any, value: Value) -> None:
        setattr(handle._state, self._name, value)
