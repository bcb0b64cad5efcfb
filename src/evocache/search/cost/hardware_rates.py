"""What this machine takes for what keeps a generation small: measured once, and kept with the calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter

import torch

from ...memory.hardware import machine
from ...memory.planner.planner import Machine
from ...memory.quantization import CODINGS, coded_bytes, decode, encode

TIMES = 9
"""How often each coding is timed; the median counts."""


@dataclass(frozen=True)
class Rates:
    """What a machine takes.

    Attributes:
        link: bytes per second between the device and the tier below it, one way.
        launch: seconds that one more operation takes.
        flop: seconds of a floating-point operation beside which features move; 0 where they do not.
        codings: by name, seconds per byte of a feature as computed, for encoding and for decoding it; those that would
            not make features smaller are left out.
    """

    link: float
    launch: float
    flop: float = 0.0
    codings: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def machine(self) -> Machine:
        """What the planner goes by."""
        return Machine(self.link, self.launch, self.flop)


def measure(device: torch.device, dtype: torch.dtype, size: int) -> Rates:
    """Measure a machine; takes less than a second.

    Args:
        device: where features are computed.
        dtype: the type that they are computed in.
        size: bytes of one of them, as they usually are.
    """
    found = machine(device)
    feature = torch.randn(1, max(1, size // dtype.itemsize // 64), 64).to(device, dtype)
    whole = coded_bytes(feature.shape, dtype, "none")
    smaller = [name for name in CODINGS if coded_bytes(feature.shape, dtype, name) < whole]
    return Rates(found.link, found.launch, found.flop, {name: _timed(feature, name) for name in smaller})


def _timed(feature: torch.Tensor, name: str) -> tuple[float, float]:
    """Seconds per byte of encoding and decoding a feature."""
    coded = encode(feature, name)
    samples: list[tuple[float, float]] = []
    for _ in range(TIMES + 1):  # the first warms up
        began = perf_counter()
        encode(feature, name)
        _settle(feature.device)
        between = perf_counter()
        decode(coded)
        _settle(feature.device)
        samples.append((between - began, perf_counter() - between))
    whole = feature.numel() * feature.element_size()
    there, back = (float(f"{median(times) / whole:.3g}") for times in zip(*samples[1:], strict=True))
    return there, back


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
