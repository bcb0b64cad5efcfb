"""Which pipelines' weights are on the device, where they do not fit all together."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import torch

from ....memory.tiers.disk import DiskTier
from ....memory.tiers.host import HostTier
from ....memory.tiers.tier import Tier
from ....model.pipeline_components import list_modules
from ....usage.policies.policy import Item
from ....usage.policies.ranked.gdsf import GDSF
from .groups import group_by_memory, memory_of
from .unit import Unit

PACE = 1e9
"""Bytes a second at which weights are taken to come before that was measured."""


class Shelf:
    """Has the weights of pipelines wait elsewhere while others compute; a context manager, used by one thread.

    Weights of a GPU wait in the host's memory, others in a file without a name, which goes with the process. They come
    back as they went, to the byte, in a thread beside what computes. Where room is needed those leave first that save
    the least seconds per byte, by how often they were asked for (GreedyDual-Size with Frequency; Cherkasova, HP
    Laboratories HPL-98-69R1, 1998). Pipelines that share weights go and come together. At its end all are here again.

    Until then nobody else may touch them: weights that are put aside have no memory, and torch ends the process where
    it reads them.

    Args:
        folder: where the file is; if it is not given, the system's for temporary files, or `/var/tmp` where that one is
            memory.

    Attributes:
        brought: how many times weights came back.
        put: how many times they left.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self._folder = folder
        self._pipelines: dict[str, Any] = {}
        self._of: dict[str, Unit] = {}
        self._own_bytes: dict[str, int] = {}
        self._tiers: dict[torch.device, Tier] = {}
        self._worth = GDSF(1 << 62)  # it says who leaves; how many bytes may stay is asked of it from outside
        self._uses = 0
        self._coming: tuple[Unit, Future[None]] | None = None
        self._failed: dict[Unit, BaseException] = {}
        self._thread = ThreadPoolExecutor(1, "evocache weights")
        self.brought = self.put = 0

    def add(self, pipelines: Mapping[str, Any]) -> None:
        """Take pipelines in, whose weights are here; those that it knows are looked at anew.

        Where components of one were exchanged, or were given other weights, what it had comes back first.

        Args:
            pipelines: by name.

        Raises:
            DeviceError: if what comes back was lost.
        """
        self._pipelines.update(pipelines)
        groups = group_by_memory(self._pipelines)
        known = {unit.memory: unit for unit in self._units if unit.is_as_it_was}
        kept = {group.memory for group in groups} & known.keys()
        for left in [unit for unit in self._units if unit.memory not in kept]:
            self._let_go(left)  # before others are made of what may wait in it
        self._of = {}
        for group in groups:
            unit = known[group.memory] if group.memory in kept else Unit(group.modules)
            self._of.update(dict.fromkeys(group.names, unit))
        memory = {name: memory_of(list_modules(pipe).values()) for name, pipe in self._pipelines.items()}
        self._own_bytes = {name: self._of[name].bytes_in(own) for name, own in memory.items()}

    def _let_go(self, unit: Unit) -> None:
        """Bring weights back that are somebody else's now."""
        if self._coming is not None and self._coming[0] is unit:
            self._coming[1].exception()  # waits
            self._coming = None
        unit.bring_back()
        unit.forget()
        self._worth.remove(id(unit))

    def bytes_of(self, names: Collection[str]) -> int:
        """Return the bytes of what comes and goes with some pipelines, wherever it is; what they share counts once.

        That is their weights, and those of all pipelines that share some with them.
        """
        return sum(unit.bytes for unit in {self._of[name] for name in names})

    def own_bytes_of(self, name: str) -> int:
        """Return the bytes of the weights of a pipeline alone, wherever they are."""
        return self._own_bytes[name]

    def coming_bytes_of(self, name: str) -> int:
        """Return the bytes that the weights of a pipeline take while they come."""
        return self._of[name].bytes + self._of[name].passing

    def least_with(self, names: Collection[str]) -> int:
        """Return the bytes that are here while those of some pipelines are: with them, those that cannot leave."""
        wanted = {self._of[name] for name in names}
        return sum(unit.bytes for unit in self._units if unit in wanted or not unit.movable)

    @property
    def least(self) -> int:
        """Bytes within which each pipeline's weights can be here: those that cannot leave, and the largest others."""
        return max((self.least_with([name]) for name in self._of), default=0)

    @property
    def held(self) -> int:
        """Bytes of the weights that are here, or on their way with what these pass through."""
        coming = None if self._coming is None else self._coming[0]
        passing = 0 if coming is None else coming.passing
        return passing + sum(unit.bytes for unit in self._units if unit.here or unit is coming)

    def has(self, name: str) -> bool:
        """Return whether the weights of a pipeline are here.

        Raises:
            DeviceError: if they were to come and could not; told once.
        """
        self._look()
        unit = self._of[name]
        if (error := self._failed.pop(unit, None)) is not None:
            raise error
        return unit.here and not (self._coming is not None and self._coming[0] is unit)

    def use(self, name: str) -> float | None:
        """Note that a pipeline is used, whose weights are here.

        Returns:
            Seconds that they took to come, if this is their first use since; else None.
        """
        unit, self._uses = self._of[name], self._uses + 1
        if id(unit) in self._worth:
            self._worth.hit(id(unit), self._uses)
        else:
            seconds = unit.bytes / PACE if unit.seconds is None else unit.seconds
            self._worth.add(Item(id(unit), max(1, unit.bytes), seconds), self._uses)
            return unit.seconds
        return None

    def make_room(self, most: int, busy: Collection[str]) -> bool:
        """Put weights aside until those that are here take so many bytes at most; return whether they do.

        Args:
            most: bytes.
            busy: names of pipelines whose weights stay.

        Raises:
            DeviceError: if there is no room for them elsewhere.
        """
        self._look()
        stay = {self._of[name] for name in busy} | ({self._coming[0]} if self._coming is not None else set())
        ranks = {item.key: rank for rank, item in enumerate(self._worth.items(), 1)}
        idle = [unit for unit in self._units if unit.here and unit.movable and unit not in stay]
        if self.held - sum(unit.bytes for unit in idle) > most:
            return False
        for unit in sorted(idle, key=lambda unit: ranks.get(id(unit), 0)):
            if self.held <= most:
                break
            self._put(unit)
        return True

    def bring(self, name: str, then: Callable[[], None]) -> None:
        """Start bringing the weights of a pipeline, one at a time; nothing happens while others are on their way.

        Args:
            name: of the pipeline.
            then: called when they are here, or could not come, in a thread of the shelf's.
        """
        self._look()
        unit = self._of[name]
        if self._coming is None and not unit.here:
            future = self._thread.submit(unit.bring_back)
            self._coming = unit, future
            future.add_done_callback(lambda _: then())

    @property
    def awaits(self) -> bool:
        """Whether weights are on their way."""
        return self._coming is not None and not self._coming[1].done()

    def close(self) -> None:
        """Bring all weights back, and let go of what they waited in."""
        self._end(back=True)

    def discard(self) -> None:
        """Let go of all that waits elsewhere: pipelines whose weights are not here cannot be used any more."""
        self._end(back=False)

    def __enter__(self) -> Shelf:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _units(self) -> Collection[Unit]:
        return dict.fromkeys(self._of.values())

    def _put(self, unit: Unit) -> None:
        tier = self._tiers.get(unit.device)
        if tier is None:
            cuda = unit.device.type == "cuda"
            tier = self._tiers[unit.device] = HostTier(unit.device) if cuda else DiskTier(self._folder, "weights")
        unit.put_aside(tier)
        self._worth.evict(id(unit))
        self.put += 1

    def _look(self) -> None:
        """Take note of weights that have come."""
        if self._coming is not None and self._coming[1].done():
            (unit, future), self._coming = self._coming, None
            error = future.exception()
            if error is None:
                self.brought += 1
            else:
                self._failed[unit] = error

    def _end(self, *, back: bool) -> None:
        self._thread.shutdown()
        self._coming = None
        with ExitStack() as steps:  # each whatever befalls the others
            for tier in self._tiers.values():
                steps.callback(tier.close)
            for unit in self._units:
                steps.callback(unit.forget)
                if back:
                    steps.callback(unit.bring_back)
        self._tiers.clear()
