"""Seconds of the stages of a batch on zoo:emoji, one thread of a processor, and points of a front."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIZES = (1.0, 4.0, 8.0, 16.0)
"""Batches that were measured; between them times are interpolated."""


@dataclass(frozen=True)
class Stages:
    """Holds seconds by batch: of `SIZES` pictures each.

    Attributes:
        text: of the text encoder.
        step: of one uncached step.
        decode: of the decoder.
        steps: steps of a generation.
    """

    text: tuple[float, ...] = (0.008, 0.014, 0.020, 0.026)
    step: tuple[float, ...] = (0.0325, 0.086, 0.150, 0.282)
    decode: tuple[float, ...] = (0.027, 0.074, 0.137, 0.325)
    steps: int = 20

    def text_seconds(self, batch: int) -> float:
        """Return seconds of the text encoder."""
        return float(np.interp(batch, SIZES, self.text))

    def step_seconds(self, batch: int, share: float) -> float:
        """Return seconds of a step at a point that does a share of the work, on average over the steps."""
        return share * float(np.interp(batch, SIZES, self.step))

    def decode_seconds(self, batch: int) -> float:
        """Return seconds of the decoder."""
        return float(np.interp(batch, SIZES, self.decode))

    def batch_seconds(self, batch: int, share: float) -> float:
        """Return seconds of a whole batch."""
        steps = self.steps * self.step_seconds(batch, share)
        return self.text_seconds(batch) + steps + self.decode_seconds(batch)

    def capacity(self, batch: int) -> float:
        """Return uncached pictures a second in full batches."""
        return batch / self.batch_seconds(batch, 1.0)


@dataclass(frozen=True)
class Point:
    """Holds a point of a front.

    Attributes:
        share: part of the uncached time that a generation takes.
        psnr: dB to the uncached pictures.
    """

    share: float
    psnr: float


FIXED = Point(1 / 1.51, 38.0)
"""`fora:2`, as in `results/quality.json`."""

FRONT = (Point(1 / 1.85, 45.0), Point(1 / 1.95, 40.0), Point(1 / 2.6, 35.0), Point(1 / 2.81, 30.0))
"""An evolved front, as in `results/peers-steps.json`: the fastest points of at least so many dB."""
