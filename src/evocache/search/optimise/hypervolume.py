"""Hypervolume: how much of the objective space a set of points dominates, as one number. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...extras import optional
from ...schedule.front.front import non_dominated

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """The part of the objective space that is looked at, lower being better in every objective.

    Attributes:
        best: (objectives,) where an ideal point would lie.
        worst: (objectives,) beyond which a point is worth nothing (the reference point).
    """

    best: Values
    worst: Values

    @classmethod
    def around(cls, values: Values) -> Box:
        """Return the smallest box around points (points, objectives) that is not flat."""
        best, worst = values.min(axis=0), values.max(axis=0)
        return cls(best, np.maximum(worst, best + 1e-9 * np.maximum(1.0, np.abs(best))))

    def volume(self, values: Values) -> float:
        """Compute the share of the box that points (points, objectives) dominate; better than best counts as best.

        Zitzler and Thiele's hypervolume indicator, normalised; computed by pymoo.
        """
        scaled = np.clip((values - self.best) / (self.worst - self.best), 0.0, None)
        inside = np.unique(scaled[(scaled < 1).all(axis=1)], axis=0)
        if not len(inside):
            return 0.0
        indicator = optional("pymoo.indicators.hv").HV(ref_point=np.ones(len(self.best)))
        return float(indicator(inside[non_dominated(inside)]))
