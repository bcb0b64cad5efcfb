"""What one call of an accelerated pipeline needs from its beginning to its end, and what is kept of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Protocol

import torch

from ..errors import GenerationError
from ..memory.offload.shared_offload import begin_use, end_use, offloads_of
from ..memory.offload.stage_offload import ComponentUse, Offload, is_any_away
from ..memory.planner.planner import Held, MemoryPlan
from ..memory.tiers.tier import Tier
from ..memory.tiers.tier_lending import TierLending
from .attach import call_scope
from .estimate.residency import offloaded
from .results.generation_record import Record
from .results.stats import Stats


class Account(Protocol):
    """What keeps account of the open calls of a pipeline.

    Attributes:
        tiers: lends the tiers that features are parked in.
    """

    tiers: TierLending

    def begin_call(self, call: OpenCall) -> None:
        """Note that a call begins: it is the latest."""

    def end_call(self, call: OpenCall) -> None:
        """Note that a call is over."""


class Follower(ABC):
    """The generation that follows a call.

    Attributes:
        call: the call.
    """

    call: OpenCall

    @property
    @abstractmethod
    def record(self) -> Record:
        """What it did so far."""


class OpenCall:
    """One call of an accelerated pipeline, or one loop of the user's own, under one plan.

    Several may be open at once, of one pipeline or of several that share components: nothing of a call is anywhere
    else. When it is over it holds figures alone: nothing of the model, the cache or a tier lives on with it.

    Args:
        account: keeps account of the pipeline's calls.
        memory: the plan that it follows; None where nothing is planned.
        device: where the pipeline computes until it ends; None if that may change, as in a loop of the user's own.

    Attributes:
        tier: where it parks features; None if it parks none.
        offloads: what keeps components off the device in some of its stages.
        stages: what it held, stage by stage, if it was weighed and is over.
        follower: the generation that follows it; None when it is over.
    """

    def __init__(self, account: Account, memory: MemoryPlan | None, device: torch.device | None = None) -> None:
        self.memory = memory
        self.device = device
        self.tier: Tier | None = None
        self.offloads: Sequence[Offload] = ()
        self.stages: Mapping[str, Held] = {}
        self.follower: Follower | None = None
        self._account: Account | None = account
        self._record: Record | None = None
        self._use: ComponentUse | None = None

    @property
    def record(self) -> Record:
        """What was done in it so far."""
        follower = self.follower  # read first: where the call ends meanwhile, its record was set before
        if self._record is not None or follower is None:
            assert self._record is not None, "it has not begun"
            return self._record
        return follower.record

    @property
    def stats(self) -> Stats:
        """Figures of what was done in it so far."""
        return self.record.stats().with_stages(self.stages)

    def begin(self, follower: Follower, pipe: Any) -> None:
        """Have the components where the plan wants them, and a tier where it parks features.

        Args:
            follower: the generation that follows the call.
            pipe: the pipeline.

        Raises:
            GenerationError: if calls that use the same components are open under another offloading; if it has begun.
        """
        account = self._account
        if account is None or self._use is not None:
            state = "is over" if account is None else "has begun"
            raise GenerationError(f"a generation that {state}", "a new one", "call handle.generation() for each loop")
        self._use = self._begin_use(account, pipe)
        try:
            self.offloads = offloads_of(pipe)
            if self.memory is not None and self.memory.capacity is not None:
                self.tier = account.tiers.lend(self.device or device_of(pipe))
        except BaseException:
            self.end(pipe)
            raise
        self.follower = follower
        account.begin_call(self)

    def end(self, pipe: Any) -> None:
        """Give back all that it was given; nothing happens if that was done."""
        account, self._account = self._account, None
        if account is None:
            return
        tier, self.tier = self.tier, None
        use, self._use, self.offloads = self._use, None, ()
        with ExitStack() as last:  # whatever fails, or is broken off, the rest is given back
            if self.follower is not None:
                last.callback(self._close, account, self.follower)
            if use is not None:
                last.callback(end_use, use)
            if tier is not None:
                last.callback(account.tiers.give_back, tier)

    def _close(self, account: Account, follower: Follower) -> None:
        self._record, self.follower = follower.record, None
        account.end_call(self)

    def offload(self, pipe: Any) -> None:
        """Have components leave the device as planned, instead of a call.

        Raises:
            GenerationError: if calls that use the same components are open under another offloading.
        """
        account, self._account = self._account, None
        if account is not None and (self.memory is not None or is_any_away()):
            end_use(self._begin_use(account, pipe))

    def _begin_use(self, account: Account, pipe: Any) -> ComponentUse:
        stages = {} if self.memory is None or offloaded(pipe) else dict(self.memory.offload)  # a user's own stays
        return begin_use(pipe, stages, lambda: device_of(pipe), keeper=account, callers=_callers)

    def announce(self, name: str) -> None:
        """Keep what a component needs from leaving: it is about to be called, in whichever thread."""
        for offload in self.offloads:
            if self._use is not None:
                offload.enter(self._use, name)


def device_of(pipe: Any) -> torch.device:
    """Return where a pipeline computes, also when its weights are elsewhere in between."""
    return torch.device(pipe._execution_device)


def _callers() -> list[ComponentUse]:
    """The uses of the open calls that the calling stack is part of, the innermost first."""
    calls = (follower.call for follower in call_scope.owners(Follower))
    return [call._use for call in calls if call._use is not None]
