"""How large schedules may be: told before anything of that size is made."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

import numpy as np

from ..errors import ScheduleError

MAX_CELLS = 10_000_000
"""More cells (steps x components) than any model and step count needs, in a schedule or in all those of a file."""

MAX_STEPS = 10_000
"""More steps than any generation has."""

MAX_SEED = 10**15
"""Largest seed of a search or of a first picture: generators take the thousandfold, and what they count up from it."""


def check_size(tree: Sized, steps: Any) -> int:
    """Return a number of steps, if a schedule over these components may have so many.

    Raises:
        ScheduleError: if it is no number of steps, or the grid would have more than `MAX_CELLS` cells.
    """
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
        raise ScheduleError(f"{steps!r} steps", "a whole number, at least 1", "ask for more steps")
    most = MAX_CELLS // max(len(tree), 1)
    if steps > most:
        given = f"{steps if steps < 10**12 else 'over 10^12'} steps of {len(tree)} components"
        raise ScheduleError(given, f"at most {most} steps of so many", "ask for fewer steps")
    return int(steps)
