"""Whether calls of a kind cost less together than one after the other: one picture may fill a device by itself."""

from __future__ import annotations

from dataclasses import dataclass

from ....runtime.lru import LRU
from .prices import HALF_LIFE, KINDS

MARGIN = 1.02
"""Calls go together up to so many times their cost alone: together they wait less for each other."""

FIRST = 8
"""After so many turns together, the cost alone is measured."""

AGAIN = 64
"""After so many turns the other way is measured again: machines and batches change."""


@dataclass
class _Costs:
    """Running means of what a row costs, each way; None while it is unknown.

    Attributes:
        alone: in a call by itself.
        together: in a batch.
        turns: turns since one was tried that is not chosen.
    """

    alone: float | None = None
    together: float | None = None
    turns: int = 0


class Gains:
    """Knows by measurement which kinds of calls are better computed together."""

    def __init__(self) -> None:
        self._costs: LRU[object, _Costs] = LRU(KINDS)

    def note(self, kind: object, calls: int, cost: float) -> None:
        """Note what a turn cost.

        Args:
            kind: of its calls.
            calls: how many there were.
            cost: seconds a row, in calls that compute everything.
        """
        costs = self._costs.get_or_make(kind, _Costs)
        if calls > 1:
            costs.together = _mean(costs.together, cost)
        else:
            costs.alone = _mean(costs.alone, cost)

    def pays(self, kind: object) -> bool:
        """Return whether calls of a kind that wait are computed together this time; now and then to measure."""
        costs = self._costs.get_or_make(kind, _Costs)
        if costs.together is None:
            return True
        costs.turns += 1
        if costs.alone is None:
            return costs.turns < FIRST
        better = costs.together <= costs.alone * MARGIN
        if costs.turns >= AGAIN:
            costs.turns = 0
            return not better
        return better


def _mean(known: float | None, cost: float) -> float:
    return cost if known is None else known + (1.0 - 0.5 ** (1.0 / HALF_LIFE)) * (cost - known)
