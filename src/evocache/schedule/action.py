"""What a component does at one step: compute, reuse or forecast."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import ScheduleError

MAX_ORDER = 3
"""Highest forecast order: beyond it, extrapolation amplifies noise faster than it follows the feature."""


class Action(NamedTuple):
    """One cell of a schedule.

    `order` is -1 for compute, 0 for reuse, 1 to `MAX_ORDER` for a forecast from the last `order + 1` computed values.
    `gain` scales the extrapolated change: 0 is reuse, 1 is the Taylor forecast. It is 0 unless `order` > 0.
    """

    order: int
    gain: float = 0.0

    @property
    def name(self) -> str:
        """`compute`, `reuse` or `forecast`."""
        return "compute" if self.order < 0 else "forecast" if self.order else "reuse"


COMPUTE = Action(-1)
REUSE = Action(0)


def forecast(order: int = 1, gain: float = 1.0) -> Action:
    """Return the forecast action; canonical, so a gain of 0 gives `REUSE`.

    Raises:
        ScheduleError: if the order is not in 0..MAX_ORDER or the gain is not finite.
    """
    if isinstance(order, bool) or not isinstance(order, int) or not 0 <= order <= MAX_ORDER:
        raise ScheduleError(f"forecast order {order!r}", f"a whole number in 0..{MAX_ORDER}", "lower the order")
    if gain != gain or abs(gain) == float("inf"):
        raise ScheduleError(f"forecast gain {gain!r}", "a finite number", "use 0 for reuse, 1 for Taylor")
    return Action(order, float(gain)) if order and gain else REUSE
