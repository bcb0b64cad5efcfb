"""The rule of a gate: from how much something changed, whether this step is computed. Pure: it sees numbers only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Rule:
    """Decides one pass, step by step: reuse while the change, or its sum since the last computed step, is small.

    The comparison is strict, so that a threshold of 0 computes every step.

    Attributes:
        steps: number of steps of the pass.
        threshold: reuse below it.
        warmup: so many steps are computed at the beginning, counted from the first that is run.
        last: so many steps are computed at the end.
        most: most steps that are reused in a row; 0 for any number.
        accumulates: whether changes add up until a step is computed.
        scale: coefficients of a polynomial, highest power first, that a change goes through; none for the identity.
    """

    steps: int
    threshold: float
    warmup: int = 1
    last: int = 0
    most: int = 0
    accumulates: bool = False
    scale: tuple[float, ...] = ()
    _run: int = 0
    _reused: int = 0
    _sum: float = 0.0

    def forced(self, step: int) -> bool:
        """Return whether a step is computed whatever has changed, so that nobody need look."""
        early, late = self._run < self.warmup, step >= self.steps - self.last
        return early or late or 0 < self.most <= self._reused

    def computes(self, step: int, change: float | None) -> bool:
        """Return whether a step is computed; each is to be asked about once.

        Args:
            step: its number.
            change: what has changed; None if there is nothing to compare with, and the step has to be computed.
        """
        forced = change is None or self.forced(step)
        self._run += 1
        if not forced and change is not None:
            scaled = float(np.polyval(self.scale, change)) if self.scale else change
            self._sum = scaled + (self._sum if self.accumulates else 0.0)
            if self._sum < self.threshold:
                self._reused += 1
                return False
        self._sum, self._reused = 0.0, 0
        return True
