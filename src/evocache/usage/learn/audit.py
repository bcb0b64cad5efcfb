"""The log of decisions: who decides, since when, and why."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from ..demand.weights import Weights

MOST = 1_000
"""Decisions that are kept."""


@dataclass(frozen=True)
class Decision:
    """Says that another policy, or other weights, decide from a request on.

    Attributes:
        request: number of the request.
        before: what decided before.
        after: what decides now.
        gain_before: what was gained a request by the former, as far as it was measured.
        gain_after: the same of the latter.
        reason: why, in a few words.
        weights: weights that were replaced, with which the decision can be taken back; None if none were.
    """

    request: int
    before: str
    after: str
    gain_before: float
    gain_after: float
    reason: str
    weights: Weights | None = None

    def __str__(self) -> str:
        change = self.after if self.before == self.after else f"{self.after} instead of {self.before}"
        gains = f"{self.gain_after:.3f} instead of {self.gain_before:.3f} a request"
        return f"request {self.request:,}: {change}, {self.reason} ({gains})"


class Audit:
    """Keeps the latest decisions, 1,000 at most."""

    def __init__(self) -> None:
        self._decisions: deque[Decision] = deque(maxlen=MOST)

    def write(self, decision: Decision) -> None:
        """Add a decision."""
        self._decisions.append(decision)

    def read(self) -> Sequence[Decision]:
        """Return the decisions, the latest last."""
        return tuple(self._decisions)
