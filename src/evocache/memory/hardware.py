"""What moves and launches cost on this machine, measured once."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from statistics import median

import torch

from .planner.planner import Machine
from .tiers.disk import DiskTier
from .tiers.host import HostTier
from .tiers.tier import Tier

TRIAL = 16 << 20
"""Bytes that are moved to see how fast the link is."""

LAUNCHES = 500
"""Operations that are launched to see how long one takes."""

TIMES = 5
"""How often each is timed; the median counts."""

UNFILLED = 4
"""Launches that one more operation costs on a GPU where it is one of many in the place of one: so little work for each
leaves much of the device idle. A picture decoder's 175 operations in slices of 2 frames of 512x512 instead of 16 took
65 us each, of which launches were 15 (an H200; `benchmarks/results/memory-gpu.json`)."""

WIDTH = 2048
"""Rows and columns of the matrices that are multiplied to see how fast a GPU computes beside moves."""

PRODUCTS = 10
"""How many of them, so that their launches do not count."""


@functools.cache
def machine(device: torch.device) -> Machine:
    """Measure what planning goes by on a device; takes a tenth of a second.

    Figures are rounded to powers of two, so that plans made from them are the same from day to day.
    """
    tier: Tier = HostTier(device) if device.type == "cuda" else DiskTier()
    try:
        feature = torch.ones(TRIAL // 4, device=device)
        seconds = _timed(lambda: _there_and_back(tier, feature), device)
    finally:
        tier.close()
    launch = _timed(lambda: _launches(device), device) / LAUNCHES
    if device.type != "cuda":  # nothing is too small for it, and the disk's thread takes its share of the cores
        return Machine(_rounded(2 * TRIAL / seconds), _rounded(launch), 0.0)
    return Machine(_rounded(2 * TRIAL / seconds), _rounded(launch * UNFILLED), _rounded(_flop(device)))


def _rounded(value: float) -> float:
    return 2.0 ** round(math.log2(value))


def _there_and_back(tier: Tier, feature: torch.Tensor) -> None:
    parked = tier.park([feature])
    parked.settle()
    parked.take()
    parked.drop()


def _launches(device: torch.device) -> None:
    little = torch.ones(1, device=device)
    for _ in range(LAUNCHES):
        little.add_(1.0)


def _flop(device: torch.device) -> float:
    """Seconds of a floating-point operation of large matrices of halves, the fastest that there are."""
    matrix = torch.ones(WIDTH, WIDTH, device=device, dtype=torch.float16)

    def products() -> None:
        for _ in range(PRODUCTS):
            torch.mm(matrix, matrix)

    return _timed(products, device) / (PRODUCTS * 2 * WIDTH**3)


def _timed(action: Callable[[], object], device: torch.device) -> float:
    """Median seconds of an action, done when the device has done it; what it does first does not count."""
    seconds = []
    for _ in range(TIMES + 1):
        began = time.perf_counter()
        action()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - began)
    return median(seconds[1:])
