"""What requests ask to be applied, chosen and checked once for all of those that ask for the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from ...memory.planner.planner import MemoryPlan
from ...model import discover
from ...runtime import Handle, apply
from ...runtime.choice.wishes import Choice, choose
from ...runtime.lru import LRU
from .isolation.own_pipeline import own_pipeline

KEPT = 64
"""How many choices are kept, and how many that are ready to be applied."""

UNTOUCHED = "none"
"""What is applied where nothing is asked for."""


class _Chosen(NamedTuple):
    """A choice, and what was asked for: kept, so that nothing else comes to its address."""

    choice: Choice
    asked: Any


class _Ready(NamedTuple):
    """What is applied to a copy of a pipeline that is never called.

    Attributes:
        handle: the copy's.
        what: what is applied: kept, so that nothing else comes to its address.
    """

    handle: Handle
    what: Any


class Prepared:
    """Keeps what requests ask for, chosen and ready to be applied to pipeline objects of their own.

    A file or a name that is asked for is looked up when it is first asked for.

    Args:
        pipelines: by name.
        fronts: what a speed-up or quality that is asked for is taken from, by the name of the pipeline.
    """

    def __init__(self, pipelines: Mapping[str, Any], fronts: Mapping[str, Any]) -> None:
        self._pipelines, self._fronts = pipelines, fronts
        self._chosen: LRU[object, _Chosen] = LRU(KEPT)
        self._ready: LRU[object, _Ready] = LRU(KEPT)
        self._places: dict[str, tuple[list[torch.device], torch.device | None]] = {}

    def choose(self, model: str, asked: Any, wishes: Mapping[str, float], memory: MemoryPlan | int | None) -> Choice:
        """Return what is applied to a pipeline, as `evocache.apply` chooses it.

        Args:
            model: name of the pipeline.
            asked: what is asked for; None for a point of the pipeline's front, or nothing, if there are no wishes.
            wishes: speed-up and quality of the point.
            memory: bytes that a generation may hold, or a plan; None if there is no limit.

        Raises:
            Exception: what `evocache.apply` raises.
        """
        bytes_ = memory if isinstance(memory, int) else id(memory)
        key = model, _identity(asked), tuple(sorted(wishes.items())), bytes_
        known = self._chosen.get(key)
        if known is None:
            pipe = self._pipelines[model]
            what = asked if asked is not None else self._fronts.get(model) if wishes else UNTOUCHED
            choice = choose(pipe, discover(pipe), what, **wishes, memory=memory)
            known = self._chosen[key] = _Chosen(choice, (asked, memory))
        return known.choice

    def forget(self) -> None:
        """Forget all, and the modules that it was made for: a pipeline was changed by its user."""
        self._chosen.clear()
        self._ready.clear()
        self._places.clear()

    def apply(self, own: Any, model: str, what: Any, plan: MemoryPlan | None) -> Handle:
        """Apply what was chosen to a request's own pipeline object, and return the handle of that.

        Args:
            own: a copy of the pipeline.
            model: name of the pipeline.
            what: what was chosen.
            plan: the memory plan of the call; None if it has none.

        Raises:
            Exception: what `evocache.apply` raises.
        """
        if plan is not None:  # of this call alone
            return apply(own, what, memory=plan)
        key = model, _identity(what)
        ready = self._ready.get(key)
        if ready is None:
            copy = own_pipeline(self._pipelines[model])
            handle = apply(copy, what)
            ready = _Ready(handle, what)
            self._ready[key] = ready
        return ready.handle.share(own, self._place(model))

    def _place(self, model: str) -> torch.device | None:
        """Where a pipeline computes; None if it does not say. It looks for that in all modules: it is asked once."""
        pipe, known = self._pipelines[model], self._places.get(model)
        parts = [part for part in vars(pipe).values() if isinstance(part, nn.Module)]
        now = [weight.device for part in parts if (weight := next(part.parameters(), None)) is not None]
        if known is None or known[0] != now:  # its user may have moved it
            place = getattr(pipe, "_execution_device", None)
            known = self._places[model] = now, None if place is None else torch.device(place)
        return known[1]


def _identity(asked: Any) -> object:
    """What is the same for the same things: names by what they say, others while they live."""
    return asked if isinstance(asked, str) else id(asked)
