"""What was measured of the points of fronts, for each holder of a key and for all.

Figures are of models and points: no prompt, picture or user is in them. That they *change*, however, tells that
somebody used the server. So answers say only what was measured on generations of the same tenant and key, and figures
of all are for operators (`/metrics`, the operator's page). When a sample is measured depends on when the server has
nothing to do, of which the times of answers tell as much.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..workers.card import PointCard

log = logging.getLogger("evocache.serve")

Holder = tuple[str, str]
"""A tenant, and the id of a key of it."""

LAST = 32
"""Of so many measurements, the last ones, the worst is told."""

SHORT = 3.0
"""Decibels by which the mean of a point may be below its prediction before a warning is logged."""

ENOUGH = 8
"""Measurements of a point before it is warned of."""


class FrontPoint(NamedTuple):
    """A point of a front. Points are given only where the front was measured, so that this is all of the context.

    Attributes:
        model: whose front it is.
        lora: the LoRA that the front was evolved with; empty for none.
        label: of the point.
    """

    model: str
    lora: str
    label: str


@dataclass
class Tally:
    """Measurements of a point.

    Attributes:
        predicted: quality as the front says; None if it does not.
        count: how many.
        total: their sum, in dB.
        last: the last ones, in dB.
    """

    predicted: float | None
    count: int = 0
    total: float = 0.0
    last: deque[float] = field(default_factory=lambda: deque(maxlen=LAST))

    @property
    def mean(self) -> float:
        """Mean of all, in dB."""
        return self.total / self.count

    @property
    def worst(self) -> float:
        """The lowest of the last ones, in dB."""
        return min(self.last)

    @property
    def short(self) -> float | None:
        """Decibels by which the mean is below what was predicted; None if nothing was."""
        return None if self.predicted is None else self.predicted - self.mean

    def add(self, quality: float) -> None:
        """Take a measurement in."""
        self.count += 1
        self.total += quality
        self.last.append(quality)


class QualityFigures:
    """Counts measurements; warns once of each point whose front does not hold."""

    def __init__(self) -> None:
        self._all: dict[FrontPoint, Tally] = {}
        self._own: dict[tuple[Holder, FrontPoint], Tally] = {}
        self._warned: set[FrontPoint] = set()

    def add(self, holder: Holder, point: FrontPoint, card: PointCard, quality: float) -> None:
        """Take a measurement in.

        Args:
            holder: whose generation was measured.
            point: that it was made at.
            card: of that point.
            quality: in dB.
        """
        tally = self._all.setdefault(point, Tally(card.quality))
        tally.add(quality)
        self._own.setdefault((holder, point), Tally(card.quality)).add(quality)
        if tally.count >= ENOUGH and tally.short is not None and tally.short > SHORT and point not in self._warned:
            self._warned.add(point)
            of = f"{point.model} with {point.lora}" if point.lora else point.model
            log.warning(
                "point %s of %s gave %.1f dB on average of %d generations, predicted %.1f dB: its front does not hold "
                "for what is asked for; evolve one on such prompts",
                point.label, of, tally.mean, tally.count, tally.predicted,
            )  # fmt: skip

    def told(self, holder: Holder, point: FrontPoint) -> Mapping[str, float]:
        """Return what a holder is told of a point: mean `quality` in dB, and `samples`; nothing if there are none."""
        tally = self._own.get((holder, point))
        return {} if tally is None else {"quality": round(tally.mean, 2), "samples": tally.count}

    def rows(self) -> list[dict[str, Any]]:
        """Return for each point, over all holders: its names, `predicted`, mean, worst of the last ones, `samples`."""
        return [
            {
                **point._asdict(),
                "predicted": tally.predicted,
                "mean": tally.mean,
                "worst": tally.worst,
                "samples": tally.count,
            }
            for point, tally in sorted(self._all.items())
        ]
