"""Tiers below the device: where features wait between a write and a far read.

Moving is asynchronous. What is parked may be let go on the device once it is settled, and is there again when it is
taken; in between, the device goes on computing. Bytes come back as they went.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch


class Parked(Protocol):
    """A feature that left its device, or is leaving it or coming back."""

    def settle(self) -> float:
        """Wait until it has left, so that its tensors may be let go; returns the seconds that this held up."""

    def fetch(self) -> None:
        """Start bringing it back; nothing happens if it is on its way."""

    def take(self) -> tuple[list[torch.Tensor], float]:
        """Bring the tensors back to their device, and return them with the seconds of waiting.

        They stay parked, too.
        """

    def drop(self) -> None:
        """Forget it."""


class Tier(Protocol):
    """A place to park features in."""

    name: str

    def park(self, tensors: Sequence[torch.Tensor]) -> Parked:
        """Start moving a feature there."""

    def close(self) -> None:
        """Give back what the tier itself holds; nothing may be parked there any more."""


def strides(tensor: torch.Tensor) -> tuple[int, ...]:
    """Return the strides in which a tensor is parked: its own, but without gaps and overlaps."""
    return torch.empty_like(tensor, device="meta").stride()  # keeps the order of the axes
