"""Lending one tier to all calls that are open at once: it is closed once, and under nobody's feet."""

from __future__ import annotations

import threading

import torch

from .disk import DiskTier
from .host import HostTier
from .tier import Tier


class TierLending:
    """Lends the tier of a device, and keeps it between calls: pinning memory and opening files is slow.

    A pipeline that was moved is lent another one. A tier is closed as soon as no call has it and none will be lent it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: tuple[torch.device, Tier] | None = None
        self._borrowers: dict[int, int] = {}
        """Number of calls that have a tier, by its id."""

    @property
    def tier(self) -> Tier | None:
        """The tier that the next call is lent; None if it has to be made."""
        return None if self._kept is None else self._kept[1]

    def lend(self, device: torch.device) -> Tier:
        """Lend the tier of a device, which is to be given back once.

        That is host memory for a GPU's features, the disk for others.
        """
        with self._lock:
            if self._kept is not None and self._kept[0] != device:
                self._retire()
            if self._kept is None:
                self._kept = device, HostTier(device) if device.type == "cuda" else DiskTier()
            tier = self._kept[1]
            self._borrowers[id(tier)] = self._borrowers.get(id(tier), 0) + 1
            return tier

    def give_back(self, tier: Tier) -> None:
        """Take a tier back from a call that is over; nothing of it is parked there any more."""
        with self._lock:
            self._borrowers[id(tier)] -= 1
            if not self._borrowers[id(tier)]:
                del self._borrowers[id(tier)]
                if tier is not self.tier:
                    tier.close()

    def close(self) -> None:
        """Keep no tier any longer: it is closed now, or when the last call that has it gives it back."""
        with self._lock:
            self._retire()

    def _retire(self) -> None:
        tier, self._kept = self.tier, None
        if tier is not None and id(tier) not in self._borrowers:
            tier.close()
