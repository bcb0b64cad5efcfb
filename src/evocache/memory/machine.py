"""What moves and launches cost on this machine, measured once."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from statistics import median

import torch

from .disk import DiskTier
from .host import HostTier
from .planner import Machine
from .tiers import Tier

TRIAL = 16 << 20
"""Bytes that are moved to see how fast the link is."""

LAUNCHES = 500
"""Operations that are launched to see how long one takes."""

TIMES = 5
"""How often each is timed; the median counts."""


@functools.cache
def machine(device: torch.device) -> Machine:
    """The link between a device and the tier below it, and the launch of an operation; takes a tenth of a second.

    Figures are rounded to powers of two, so that plans made from them are the same from day to day.
    """
    tier: Tier = HostTier(device) if device.type == "cuda" else DiskTier()
    try:
        feature = torch.ones(TRIAL // 4, device=device)
        seconds = _timed(lambda: _there_and_back(tier, feature), device)
    finally:
        tier.close()
    little = torch.ones(1, device=device)

    def launches() -> None:
        for _ in range(LAUNCHES):
            little.add_(1.0)

    return Machine(_rounded(2 * TRIAL / seconds), _rounded(_timed(launches, device) / LAUNCHES))


def _rounded(value: float) -> float:
    return 2.0 ** round(math.log2(value))


def _there_and_back(tier: Tier, feature: torch.Tensor) -> None:
    parked = tier.park([feature])
    parked.settle()
    parked.take()
    parked.drop()


def _timed(action: Callable[[], None], device: torch.device) -> float:
    """Median seconds of an action, done when the device has done it."""
    seconds = []
    for _ in range(TIMES):
        began = time.perf_counter()
        action()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - began)
    return median(seconds)
