"""One piece of memory that weights are in: on its device, or in a tier."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ....memory.storage_views import bytes_of, view_storage
from ....memory.tiers.tier import Tier
from .slice import Slice, cut


class Piece:
    """One piece of memory, and the tensors that look at it.

    Args:
        tensors: all that do.

    Attributes:
        bytes: of the memory, when it is here.
        slices: in which it leaves and comes back.
    """

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        self._tensors = tensors
        self.bytes = tensors[0].untyped_storage().nbytes()
        self._device = tensors[0].device
        self.slices = cut(self.bytes)

    @property
    def storage(self) -> int:
        """What stands for the memory, as long as it is the tensors'."""
        found: int = self._tensors[0].untyped_storage()._cdata
        return found

    @property
    def is_as_it_was(self) -> bool:
        """Whether the memory that is here is as large as it was, on the same device, and that of all tensors."""
        first = self._tensors[0].untyped_storage()
        together = all(tensor.untyped_storage()._cdata == first._cdata for tensor in self._tensors)
        return together and first.nbytes() == self.bytes and self._tensors[0].device == self._device

    def put_aside(self, tier: Tier) -> None:
        """Have it wait in a tier, and give the memory back; what is there unchanged already is not copied.

        Raises:
            DeviceError: if the tier has no room; it stays where it is then.
        """
        self._own()
        data = bytes_of(self._tensors[0])
        for part in self.slices:
            part.put_aside(tier, data)
        self.let_go()

    def take_memory(self) -> None:
        """Have memory beneath its tensors again, for its slices to be brought back into."""
        self._tensors[0].untyped_storage().resize_(self.bytes)

    def bring_back(self, part: Slice) -> None:
        """Bring a slice of it back.

        Raises:
            DeviceError: if the tier lost it.
        """
        part.bring_back(bytes_of(self._tensors[0]))

    def let_go(self) -> None:
        """Give the memory back."""
        self._tensors[0].untyped_storage().resize_(0)

    def forget(self) -> None:
        """Let go of what is in the tier."""
        for part in self.slices:
            part.forget()

    def _own(self) -> None:
        """Have the tensors look at memory that can be given back: that of a file which is mapped cannot."""
        storage = self._tensors[0].untyped_storage()
        if storage.resizable():
            return
        own = bytes_of(self._tensors[0]).clone().untyped_storage()
        for tensor in self._tensors:
            offset = int(tensor.storage_offset())
            tensor.data = view_storage(own, tensor.dtype, offset, tensor.size(), tensor.stride())
