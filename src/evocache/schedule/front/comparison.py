"""Measured figures, by name: which of them can be believed, and what they are worth beside others. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

Figures = Mapping[str, float]
"""What was measured of one schedule: `speedup`, `speedup q1`, `speedup q3`, `quality`, `memory`, `peak` and others."""

PREDICTED = "predicted speedup"
"""The speed-up that a schedule's predicted cost allows."""

FEWER = "fewer steps quality"
"""What the uncached pipeline gives with fewer steps, in at most the same time."""

TOO_FAST = 1.25
"""A measured speed-up that is so many times the predicted one was not the schedule's doing.

Latency models are fitted to timings of the same pipeline, and are off by a few per cent. What is above that comes from
the machine: something else ran while the uncached pipeline was timed.
"""

BUSY = 0.3
"""Middle half of a schedule's speed-ups, relative to their median, above which the machine was not its own."""

DISTURBED = "the timing was disturbed"
"""What sentences about noise begin with."""

NEAR = 0.05
"""How far beyond the measured numbers of steps a time may lie, relative to it, to be held against the nearest."""


class Spread(NamedTuple):
    """Quartiles of one figure over rounds."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the quartiles of values, one a round."""
        low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
        return cls(float(low), float(middle), float(high))

    def named(self, name: str) -> dict[str, float]:
        """Return them under the names by which `find_spread` finds them in figures."""
        return {name: self.middle, f"{name} q1": self.low, f"{name} q3": self.high}

    @property
    def relative(self) -> float:
        """Distance of the outer quartiles, relative to the median."""
        return (self.high - self.low) / self.middle if self.middle else math.inf

    def __str__(self) -> str:
        return f"{self.low:.2f}-{self.high:.2f}"


def find_spread(figures: Figures, name: str = "speedup") -> Spread | None:
    """Return the quartiles of a figure over rounds; None where these were not noted."""
    low, middle, high = (figures.get(key) for key in (f"{name} q1", name, f"{name} q3"))
    return None if low is None or middle is None or high is None else Spread(low, middle, high)


def is_doubtful(figures: Figures) -> bool:
    """Return whether the clock shows a schedule as much faster than its predicted cost allows."""
    predicted = figures.get(PREDICTED)
    return predicted is not None and figures.get("speedup", 0.0) > TOO_FAST * predicted


def explain_doubt(figures: Figures) -> str:
    """Say why a speed-up cannot be believed; empty if it can."""
    if not is_doubtful(figures):
        return ""
    return f"{figures['speedup']:.2f}x measured where the predicted cost allows {figures[PREDICTED]:.2f}x"


def loses(figures: Figures) -> bool:
    """Return whether fewer steps are as good in at most the same time."""
    return figures.get(FEWER, -math.inf) >= figures.get("quality", math.inf)


def beats(other: Figures, own: Figures, least: Sequence[str] = ()) -> bool:
    """Return whether one is at least as fast and as good as another, holds no more, and is better in something.

    Args:
        other: figures of the one.
        own: figures of the other.
        least: names of further figures of which less is better; one that is unknown is the worst.
    """
    theirs, mine = ([-f["speedup"], -f["quality"], *(f.get(name, math.inf) for name in least)] for f in (other, own))
    return all(t <= m for t, m in zip(theirs, mine, strict=True)) and theirs != mine


def find_quality_in_equal_time(known: Sequence[tuple[float, float]], speedup: float) -> float | None:
    """Return the best quality that fewer steps give in at most the time of a speed-up; None if none is so fast.

    Between measured numbers of steps it is interpolated over time, as numbers lie between them that were not measured.

    Args:
        known: speed-up and quality of each number of steps that was measured.
        speedup: over the uncached pipeline.
    """
    found = [quality for speed, quality in known if speed >= speedup]
    times, qualities = np.array(sorted((1 / speed, quality) for speed, quality in known)).reshape(-1, 2).T
    if len(times) and times[0] * (1 - NEAR) <= 1 / speedup <= times[-1] * (1 + NEAR):
        quality = float(np.interp(1 / speedup, times, qualities))
        faster = 1 / speedup < times[0]  # than all numbers of steps: what is as good as the fastest does not lose to it
        found.append(math.nextafter(quality, -math.inf) if faster else quality)
    return max(found, default=None)


def describe_noise(figures: Mapping[str, Figures]) -> list[str]:
    """Say, in sentences, how timings were disturbed by a machine that was not its own; none if they were not.

    The one check for the demo, evolutions, fronts and reports.

    Args:
        figures: what was measured, by name.
    """
    spreads = {name: found for name, own in figures.items() if (found := find_spread(own)) is not None}
    said = []
    if spreads:
        name, widest = max(spreads.items(), key=lambda item: item[1].relative)
        if widest.relative > BUSY:
            said.append(
                f"{DISTURBED}: half of the rounds put {name} between {widest.low:.2f}x and "
                f"{widest.high:.2f}x, so something else ran on this machine; take speed-ups with care, or time again"
            )
    for name, own in figures.items():
        if why := explain_doubt(own):
            said.append(f"{DISTURBED}: {name} is not handed out, since its speed-up is {why}")
    return said
