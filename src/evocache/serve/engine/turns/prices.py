"""What calls cost: seconds of a kind of calls, as measured, and so of what is still to come."""

from __future__ import annotations

from ....runtime.lru import LRU

KINDS = 256
"""How many kinds of calls are remembered."""

STEPS = 8
"""How many kinds of denoiser calls are remembered as those that may wait."""

HALF_LIFE = 8.0
"""Turns after which a measurement counts half."""

FIXED = 0.05
"""What a call costs beside its work, as a share of one that computes everything: what no schedule skips."""


class Prices:
    """Seconds that a row takes in a call that computes everything, by the kind of call: a running mean of turns."""

    def __init__(self) -> None:
        self._rates: LRU[object, float] = LRU(KINDS)
        self._steps: dict[object, float] = {}

    def note(self, kind: object, stage: str, rows: int, work: float, seconds: float) -> None:
        """Note that a turn took seconds.

        Args:
            kind: of its calls.
            stage: that they are part of.
            rows: of all of them.
            work: share of the component that was computed, a mean over rows.
            seconds: of computing.
        """
        rate, known = seconds / (rows * (work + FIXED)), self._rates.get(kind)
        share = 1.0 - 0.5 ** (1.0 / HALF_LIFE)
        self._rates[kind] = rate if known is None else known + share * (rate - known)
        if stage == "denoise":
            self._steps = {**{k: v for k, v in self._steps.items() if k != kind}, kind: seconds}
            while len(self._steps) > STEPS:
                del self._steps[next(iter(self._steps))]

    def predict(self, kind: object, rows: int, work: float, calls: float = 1.0) -> float | None:
        """Return the seconds of calls of a kind, alone in their batches; None if none was measured yet.

        Args:
            kind: of the calls.
            rows: of each.
            work: of all together, in calls that compute everything.
            calls: their number.
        """
        rate = self._rates.get(kind)
        return None if rate is None else rate * rows * (work + FIXED * calls)

    @property
    def step(self) -> float | None:
        """Seconds of the latest denoising turn, of the kind whose is shortest; None if there was none."""
        return min(self._steps.values(), default=None)
