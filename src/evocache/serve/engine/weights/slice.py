"""A part of a piece of memory: so much is copied at a time."""

from __future__ import annotations

import torch

from ....memory.tiers.tier import Parked, Tier
from .checksum import checksum

SLICE = 64 << 20
"""Most bytes that are copied at a time."""


class Slice:
    """Some bytes of a piece, and what of them is in a tier.

    Args:
        start: first byte.
        bytes: how many there are.
    """

    def __init__(self, start: int, bytes: int) -> None:
        self.start, self.bytes = start, bytes
        self._parked: Parked | None = None
        self._sum: tuple[int, ...] = ()

    def put_aside(self, tier: Tier, data: torch.Tensor) -> None:
        """Have the bytes be in a tier; those that are there, as a checksum tells, are not copied.

        Args:
            tier: the same each time.
            data: the piece's bytes.

        Raises:
            DeviceError: if the tier has no room.
        """
        own = self._of(data)
        now = checksum(own)
        if self._parked is not None and now == self._sum:
            return
        self.forget()
        if own.device.type == "cpu":
            own = own.clone()  # memory that numpy has looked at cannot be given back
        parked = tier.park([own])
        try:
            parked.settle()
        except BaseException:
            parked.drop()
            raise
        self._parked, self._sum = parked, now

    def fetch(self) -> None:
        """Start bringing them."""
        if self._parked is not None:
            self._parked.fetch()

    def bring_back(self, data: torch.Tensor) -> None:
        """Write them into the piece's bytes again.

        Raises:
            DeviceError: if the tier lost them.
        """
        if self._parked is not None:
            (came,), _ = self._parked.take()
            self._of(data).copy_(came)

    def forget(self) -> None:
        """Let go of what is in the tier."""
        if self._parked is not None:
            self._parked.drop()
            self._parked = None

    def _of(self, data: torch.Tensor) -> torch.Tensor:
        return data[self.start : self.start + self.bytes]


def cut(size: int) -> list[Slice]:
    """Return the slices of a piece of some bytes."""
    return [Slice(start, min(SLICE, size - start)) for start in range(0, size, SLICE)]
