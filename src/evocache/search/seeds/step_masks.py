"""Step masks by dynamic programming: the best steps to compute, when each skipped step has a known cost. Pure.

The exact solution of what BudCache, DPCache and LeMiCa approximate or search for: choose the computed steps under a
budget so that the summed error of the steps between is least.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...errors import ScheduleError
from ...policies.base.step_paths import accumulate_drift

Costs = npt.NDArray[np.float64]


def find_best_masks(drift: Costs) -> dict[int, tuple[int, ...]]:
    """Find, for every budget, the computed steps with the least drift when others reuse the last computed one.

    Args:
        drift: (steps, steps); `drift[computed, step]` is the error of using the value computed at `computed` at
            `step`, for computed < step; the rest is not read.

    Returns:
        Computed steps by their number, 1 to `steps`; step 0 is always among them. Time is O(steps^3).

    Raises:
        ScheduleError: if the matrix is not square or what is read of it is not finite.
    """
    steps = len(drift)
    if drift.shape != (steps, steps) or not np.isfinite(np.triu(drift, 1)).all() or not steps:
        raise ScheduleError(f"drift of shape {drift.shape}", "a square matrix, finite above its diagonal", "calibrate")
    hold = accumulate_drift(drift)
    least = np.full((steps + 1, steps + 1), np.inf)  # least[k, b]: k computed steps before b, next computed step is b
    came = np.zeros((steps + 1, steps + 1), dtype=int)
    least[1, 1:] = hold[0, 1:]
    for k in range(2, steps + 1):
        for b in range(k, steps + 1):
            totals = least[k - 1, k - 1 : b] + hold[k - 1 : b, b]
            best = int(np.argmin(totals))
            least[k, b], came[k, b] = totals[best], best + k - 1
    out: dict[int, tuple[int, ...]] = {}
    for budget in range(1, steps + 1):
        mask, end = [], steps
        for k in range(budget, 0, -1):
            end = int(came[k, end]) if k > 1 else 0
            mask.append(end)
        out[budget] = tuple(reversed(mask))
    return out
