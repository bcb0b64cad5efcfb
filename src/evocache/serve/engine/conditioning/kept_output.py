"""An output of a call in memory of its own, from which equal ones are made."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import torch

from ....memory.storage_views import bytes_of, view_storage
from ....runtime.ops.stored_output import Packing, packed, repacked
from .call_keys import is_plain_tensor

_PLAIN = frozenset((type(None), bool, int, float, str))
"""Types of what an output may hold beside tensors."""


class _View(NamedTuple):
    """A tensor of an output: which of the kept memories it is in, and where."""

    memory: int
    dtype: torch.dtype
    offset: int
    shape: torch.Size
    stride: tuple[int, ...]


class KeptOutput(NamedTuple):
    """An output of a call.

    Attributes:
        memories: the numbers of its tensors, as bytes on the host.
        devices: where each of these was.
        views: the tensors.
        places: which of the views stands at which place of the output.
        packing: all else of the output.
    """

    memories: Sequence[torch.Tensor]
    devices: Sequence[torch.device]
    views: Sequence[_View]
    places: Sequence[int]
    packing: Packing

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return sum(memory.nbytes for memory in self.memories)

    def make(self) -> Any:
        """Return an output that is equal to it, in memory that nobody else has, on the device where it was.

        Tensors have the strides that they had, and share memory with each other as they did.
        """
        own = [memory.to(device, copy=True) for memory, device in zip(self.memories, self.devices, strict=True)]
        tensors = [
            view_storage(own[view.memory].untyped_storage(), view.dtype, view.offset, view.shape, view.stride)
            for view in self.views
        ]
        return repacked([tensors[place] for place in self.places], self.packing)


def copy_output(output: Any, but: Collection[int]) -> KeptOutput | None:
    """Return a copy of an output; None if there is something in it that a copy would not be equal to.

    Args:
        output: what a call returned.
        but: addresses of memory that it must not be in, as that of the call's arguments: who writes into one of these
            would find the other changed.
    """
    tensors, packing = packed(output)
    rest, places, _ = packing
    others = [leaf for at, leaf in enumerate(rest) if at not in places]
    if any(type(leaf) not in _PLAIN for leaf in others) or not all(map(is_plain_tensor, tensors)):
        return None
    if any(address_of(tensor) in but for tensor in tensors):
        return None
    unique = {id(tensor): tensor for tensor in tensors}
    storages = {address_of(tensor): tensor for tensor in unique.values()}
    at = {address: number for number, address in enumerate(storages)}
    numbers = {id_: number for number, id_ in enumerate(unique)}
    return KeptOutput(
        [bytes_of(tensor).to("cpu", copy=True) for tensor in storages.values()],
        [tensor.device for tensor in storages.values()],
        [
            _View(at[address_of(each)], each.dtype, int(each.storage_offset()), each.shape, each.stride())
            for each in unique.values()
        ],
        [numbers[id(tensor)] for tensor in tensors],
        packing,
    )


def address_of(tensor: torch.Tensor) -> int:
    """Return the address of the memory that a tensor is in, which others may be in as well."""
    return tensor.untyped_storage().data_ptr()
