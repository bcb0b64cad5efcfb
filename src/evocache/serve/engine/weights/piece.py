"""One piece of memory that weights are in: on its device, or in a tier."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import torch

from ....memory.tiers.tier import Parked, Tier


class Piece:
    """One piece of memory, and the tensors that look at it.

    Args:
        tensors: all that do.

    Attributes:
        bytes: of the memory, when it is here.
    """

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        self._tensors = tensors
        self.bytes = tensors[0].untyped_storage().nbytes()
        self._device = tensors[0].device
        self._parked: Parked | None = None
        self._sum: int | None = None

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
        flat = self._flat().clone()  # memory that numpy has looked at cannot be given back
        now = zlib.crc32(memoryview(flat.numpy())) if flat.device.type == "cpu" else None  # type: ignore[arg-type]
        if self._parked is not None and (now is None or now != self._sum):
            self.forget()
        if self._parked is None:
            parked = tier.park([flat])
            parked.settle()
            self._parked, self._sum = parked, now
        self.let_go()

    def fetch(self) -> None:
        """Start bringing it back."""
        if self._parked is not None:
            self._parked.fetch()

    def bring_back(self) -> None:
        """Bring it back into memory beneath its tensors.

        Raises:
            DeviceError: if the tier lost it.
        """
        if self._parked is None:
            return
        (came,), _ = self._parked.take()
        self._tensors[0].untyped_storage().resize_(self.bytes)
        self._flat().copy_(came)

    def let_go(self) -> None:
        """Give the memory back."""
        self._tensors[0].untyped_storage().resize_(0)

    def forget(self) -> None:
        """Let go of what is in the tier."""
        if self._parked is not None:
            self._parked.drop()
            self._parked = None

    def _own(self) -> None:
        """Have the tensors look at memory that can be given back: that of a file which is mapped cannot."""
        storage = self._tensors[0].untyped_storage()
        if storage.resizable():
            return
        own = self._flat().clone().untyped_storage()
        for tensor in self._tensors:
            place = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
            tensor.data = place.set_(own, tensor.storage_offset(), tensor.size(), tensor.stride())

    def _flat(self) -> torch.Tensor:
        """All bytes, whichever tensors look at them; written by way of it, none of them counts as written."""
        first = self._tensors[0]
        place = torch.empty(0, dtype=torch.uint8, device=first.device)
        return place.set_(first.untyped_storage(), 0, (self.bytes,), (1,))
