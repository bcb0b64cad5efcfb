"""Weights that go and come as one: those of pipelines that share some."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable

import torch
from torch import nn

from ....memory.offload.packed_weights import packable, weights_of
from ....memory.tiers.tier import Tier
from .piece import Piece
from .slice import Slice


class Unit:
    """The weights and buffers of some modules, which are on their device, or wait in a tier.

    Memory is given back, and taken again, beneath the tensors: they stay the objects that they are, and those that look
    at the same memory do so afterwards. What has once been in the tier stays there, so that it is not copied the next
    time, unless it was written into: a checksum tells, for which all is read where it is.

    Args:
        modules: whose weights they are.

    Attributes:
        bytes: of the weights.
        movable: whether they can leave; tensors of classes of their own, as of quantised weights, cannot.
        here: whether they are on their device.
        seconds: that coming back took last; None before that.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        found = list(modules)
        tensors = {id(tensor): tensor for module in found for tensor in weights_of(module)}.values()
        self.movable = all(packable(module) for module in found) and not any(tensor.is_meta for tensor in tensors)
        self.here = True
        self.seconds: float | None = None
        by_memory: dict[int, list[torch.Tensor]] = {}
        for tensor in (tensor for tensor in tensors if tensor.numel()):
            by_memory.setdefault(tensor.untyped_storage()._cdata, []).append(tensor)
        self._pieces = [Piece(looking) for looking in by_memory.values()]
        self.bytes = sum(piece.bytes for piece in self._pieces)
        self.device = next((tensor.device for tensor in tensors), torch.device("cpu"))

    @property
    def memory(self) -> frozenset[int]:
        """What stands for all the memory that they are in."""
        return frozenset(piece.storage for piece in self._pieces)

    @property
    def is_as_it_was(self) -> bool:
        """Whether no tensor was given other memory, of another size or on another device, where that can be told."""
        return not self.here or all(piece.is_as_it_was for piece in self._pieces)

    @property
    def passing(self) -> int:
        """Bytes that they take beside their own while they come: of two slices, one that came and the next."""
        sizes = [part.bytes for _, part in self._slices]
        return max((sum(sizes[at : at + 2]) for at in range(len(sizes))), default=0)

    @property
    def _slices(self) -> list[tuple[Piece, Slice]]:
        return [(piece, part) for piece in self._pieces for part in piece.slices]

    def bytes_in(self, memory: Collection[int]) -> int:
        """Return the bytes of the weights that are in some memory, wherever they are."""
        return sum(piece.bytes for piece in self._pieces if piece.storage in memory)

    def put_aside(self, tier: Tier) -> None:
        """Have the weights wait in a tier; nothing happens if they do.

        Raises:
            DeviceError: if the tier has no room; what has left comes back.
        """
        if not self.here:
            return
        gone: list[Piece] = []
        try:
            for piece in self._pieces:
                piece.put_aside(tier)
                gone.append(piece)
        except BaseException:
            for piece in gone:
                piece.take_memory()
                for part in piece.slices:
                    piece.bring_back(part)
            raise
        self.here = False

    def bring_back(self) -> None:
        """Bring the weights to their device again; nothing happens if they are there.

        Raises:
            DeviceError: if the tier lost some, or other bytes come back than went. All are aside as before then.
        """
        if self.here:
            return
        began = time.perf_counter()
        came: dict[Piece, None] = {}
        slices = self._slices
        try:
            for at, (piece, part) in enumerate(slices):
                for _, soon in slices[at : at + 2]:  # the next is read while this one is copied
                    soon.fetch()
                if piece not in came:
                    came[piece] = None
                    piece.take_memory()
                piece.bring_back(part)
        except BaseException:
            for piece in came:
                piece.let_go()
            raise
        self.here, self.seconds = True, time.perf_counter() - began

    def forget(self) -> None:
        """Let go of what is in the tier; weights that are not here are gone then."""
        for piece in self._pieces:
            piece.forget()
