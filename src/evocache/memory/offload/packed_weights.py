"""A module's weights in host memory, and on a device while they are needed there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..device_streams import DeviceStreams, streams_of
from ..storage_views import bytes_of, view_storage

PIECE = 64 << 20
"""Bytes of memory that weights are packed into: one copy moves many of them. Larger ones have a piece of their own."""

ALIGNED = 512
"""Bytes of which PyTorch's CUDA allocator gives multiples; here, too, each storage begins at one."""


@dataclass
class _Piece:
    """Memory of the host, and its double on the device while that is there."""

    host: torch.Tensor
    there: torch.Tensor | None = None


@dataclass(frozen=True)
class _Place:
    """Where a storage lies: its piece and first byte, its size, and the tensors that look at it.

    Of each tensor it is told from which element it does, and its type.
    """

    piece: int
    start: int
    size: int
    tensors: tuple[tuple[torch.Tensor, int, torch.dtype], ...]


class Packed:
    """The weights and buffers of a module, moved to the host, and back whenever they are needed.

    What leaves the device unchanged is let go there and not copied. Weights that somebody gave other memory or another
    type meanwhile, as pipelines do that decode in float32, are what they are now: they are moved one by one, and packed
    again as soon as they fit where they lay. Parameters stay the objects that they are; those that share memory share
    it everywhere. On a CUDA device the host's memory is pinned, and copies are queued like any other operation, in the
    stream that asks for the weights first. Other streams that ask for them wait for the copies there.

    Args:
        module: its tensors are plain ones (`packable`).
        device: where they are needed.
        streams: the streams of the device; found when not given.
    """

    def __init__(self, module: nn.Module, device: torch.device, streams: DeviceStreams | None = None) -> None:
        self.device = device
        self._streams = streams_of(device) if streams is None else streams
        self._came: Any = None
        """The event that the copies are there."""
        self._users: set[Any] = set()
        """Streams that may use the weights."""
        self.there = False
        """Whether the weights are on the device."""
        sizes, self._places = _layout(module)
        pinned = device.type == "cuda"
        self._pieces = [_Piece(torch.empty(size, dtype=torch.uint8, pin_memory=pinned)) for size in sizes]
        for place in self._places:
            self._pack(place)

    @property
    def size(self) -> int:
        """Bytes of the weights, without what lies between them in their pieces."""
        return sum(place.size for place in self._places)

    def come(self) -> None:
        """Bring the weights to the device; nothing happens if they are there."""
        if self.there:
            self._join()
            return
        self.there = True
        kept = [self._is_kept(place) for place in self._places]
        for number in {place.piece for place, stays in zip(self._places, kept, strict=True) if stays}:
            piece = self._pieces[number]
            piece.there = torch.empty_like(piece.host, device=self.device, pin_memory=False)
            piece.there.copy_(piece.host, non_blocking=True)
        for place, stays in zip(self._places, kept, strict=True):
            found = self._pieces[place.piece].there
            if stays and found is not None:
                _look(place, found)
            else:
                _move(place, self.device)
        if self._streams is not None:
            stream = self._streams.current()
            self._came, self._users = stream.record_event(), {stream}

    def _join(self) -> None:
        """Have the current stream wait until the weights are there, and keep their memory until it is done."""
        if self._streams is None or (stream := self._streams.current()) in self._users:
            return
        stream.wait_event(self._came)
        moved = (tensor for place in self._places if not self._is_kept(place) for tensor, _, _ in place.tensors)
        self._streams.record((*(piece.there for piece in self._pieces if piece.there is not None), *moved), stream)
        self._users.add(stream)

    def leave(self) -> None:
        """Let go of the weights on the device; nothing happens if they are not there."""
        if not self.there:
            return
        self.there = False
        for place in self._places:
            if self._is_kept(place):
                _look(place, self._pieces[place.piece].host)
            elif _fits(place):
                self._pack(place)
            else:
                _move(place, torch.device("cpu"))
        for piece in self._pieces:
            piece.there = None

    def unpack(self) -> None:
        """Give the weights memory of their own on the device, as they had; this ends here.

        If the device has too little, they are on the host as before.
        """
        copied: list[_Place] = []
        try:
            for place in self._places:
                if self._is_kept(place):
                    own = torch.empty(place.size, dtype=torch.uint8, device=self.device)
                    own.copy_(self._bytes(place))
                    _look(place, own, 0)
                    copied.append(place)
                else:
                    _move(place, self.device)
        except BaseException:
            for place in copied:
                _look(place, self._pieces[place.piece].host)
            self.there = True
            self.leave()
            raise
        self._pieces, self._places = [], []

    def _is_kept(self, place: _Place) -> bool:
        """Whether weights look at the memory that they were given, on the host or on the device, as they did."""
        piece = self._pieces[place.piece]
        given = {memory.untyped_storage()._cdata for memory in (piece.host, piece.there) if memory is not None}
        return all(t.dtype is dtype and t.untyped_storage()._cdata in given for t, _, dtype in place.tensors)

    def _pack(self, place: _Place) -> None:
        """Copy weights to the host, and have them look there."""
        self._bytes(place).copy_(bytes_of(place.tensors[0][0]))
        _look(place, self._pieces[place.piece].host)

    def _bytes(self, place: _Place) -> torch.Tensor:
        return self._pieces[place.piece].host[place.start : place.start + place.size]


def align(size: int) -> int:
    """Return bytes that a storage of a size takes."""
    return -(-size // ALIGNED) * ALIGNED


def packable(module: nn.Module) -> bool:
    """Return whether all tensors of a module are plain ones, none of a class that quantises, say.

    Those on the meta device are, too: plans are made without weights.
    """
    return all(type(t) in (torch.Tensor, nn.Parameter) for t in weights_of(module))


def weights_of(module: nn.Module) -> Iterator[torch.Tensor]:
    """Parameters and buffers."""
    yield from module.parameters()
    yield from module.buffers()


def find_shared_storages(modules: Iterable[nn.Module]) -> set[int]:
    """Storages that more than one of the modules looks at, by address of the storage."""
    seen: set[int] = set()
    twice: set[int] = set()
    for module in modules:
        own = {t.untyped_storage()._cdata for t in weights_of(module)}
        twice |= own & seen
        seen |= own
    return twice


def _layout(module: nn.Module) -> tuple[list[int], list[_Place]]:
    """Sizes of pieces, and where storages lie in them."""
    storages: dict[int, dict[int, torch.Tensor]] = {}
    for tensor in weights_of(module):
        storages.setdefault(tensor.untyped_storage()._cdata, {})[id(tensor)] = tensor
    sizes: list[int] = []
    places = []
    for tensors in storages.values():
        some = tuple((tensor, int(tensor.storage_offset()), tensor.dtype) for tensor in tensors.values())
        size = some[0][0].untyped_storage().nbytes()
        if not size:
            continue
        if not sizes or sizes[-1] + size > PIECE:
            sizes.append(0)
        places.append(_Place(len(sizes) - 1, sizes[-1], size, some))
        sizes[-1] += align(size)
    return sizes, places


def _fits(place: _Place) -> bool:
    """Whether weights that were given other memory would fill the place that they had."""
    if len(place.tensors) > 1:
        return False
    ((tensor, offset, dtype),) = place.tensors
    same = tensor.dtype is dtype and tensor.storage_offset() == offset
    return same and tensor.untyped_storage().nbytes() == place.size


def _move(place: _Place, device: torch.device) -> None:
    """Move the weights of a place one by one."""
    for tensor, _, _ in place.tensors:
        tensor.data = tensor.data.to(device)


def _look(place: _Place, memory: torch.Tensor, start: int | None = None) -> None:
    """Have the tensors of a place look at memory in which their storage begins at a byte; at their place's if None."""
    for tensor, offset, dtype in place.tensors:
        first = (place.start if start is None else start) // dtype.itemsize + offset
        tensor.data = view_storage(memory.untyped_storage(), dtype, first, tensor.size(), tensor.stride())
