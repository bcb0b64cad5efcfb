"""Prices of schedules: predicted latency, FLOPs and bytes, from measures of the components. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..schedule import Schedule, liveness


@dataclass(frozen=True)
class Costs:
    """What components cost in one denoiser call.

    Attributes:
        seconds: by component id, without its parts.
        flops: by component id, without its parts.
        sizes: bytes of one stored value, by component id.
        calls: denoiser calls a step (2 with sequential guidance).
        fixed: seconds of a generation outside the denoiser.
    """

    seconds: Mapping[str, float]
    flops: Mapping[str, float]
    sizes: Mapping[str, int]
    calls: int = 1
    fixed: float = 0.0

    def latency(self, schedule: Schedule) -> float:
        """Predicted seconds of a generation."""
        return self.fixed + self.calls * schedule.cost(self.seconds)

    def macs(self, schedule: Schedule) -> float:
        """Multiply-adds of a generation's denoiser calls."""
        return self.calls * schedule.cost(self.flops) / 2

    def memory(self, schedule: Schedule) -> float:
        """Peak bytes of cached features."""
        return float(liveness.peak_bytes(schedule, [self.sizes] * self.calls))

    def price(self, schedule: Schedule, names: tuple[str, ...]) -> dict[str, float]:
        """The objectives named, of `latency`, `macs` and `memory`."""
        known = {"latency": self.latency, "macs": self.macs, "memory": self.memory}
        return {name: known[name](schedule) for name in names}
