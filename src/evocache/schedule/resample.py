"""A grid for another number of steps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import ScheduleError
from .action import COMPUTE, REUSE


def resample(
    executed: npt.NDArray[np.bool_], orders: npt.NDArray[np.int8], gains: npt.NDArray[np.float64], steps: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
    """Orders and gains for `steps` steps.

    A component's computed steps are points of a density: the k-th computed step has cumulative count k, with straight
    lines between. The count scales with the number of steps, and a new step computes where the scaled count reaches a
    whole number. So the share of computed steps and their local spacing, in steps, stay what they were. The other
    steps take the action of the nearest old step that did not compute.

    Args:
        executed: (old steps, components) the cells that run.
        orders: (old steps, components) the actions of the grid.
        gains: (old steps, components) the gains of its forecasts.
        steps: the new number of steps.

    Raises:
        ScheduleError: if `steps` is not positive.
    """
    if steps < 1:
        raise ScheduleError(f"{steps} steps", "at least 1", "ask for more steps")
    old = len(orders)
    edges = np.arange(steps + 1) * old / steps
    middles = (edges[:-1] + edges[1:]) / 2 - 0.5
    new_orders = np.full((steps, orders.shape[1]), REUSE.order, dtype=np.int8)
    new_gains = np.zeros(new_orders.shape)
    for column in range(orders.shape[1]):
        computed = np.flatnonzero(executed[:, column])
        count = np.interp(edges, [*computed, old], np.arange(len(computed) + 1)) * steps / old
        whole = np.ceil(count - 1e-9)
        between = np.flatnonzero(~executed[:, column])
        if len(between):
            nearest = between[np.abs(middles[:, None] - between[None, :]).argmin(axis=1)]
            new_orders[:, column] = orders[nearest, column]
            new_gains[:, column] = gains[nearest, column]
        new_orders[whole[1:] > whole[:-1], column] = COMPUTE.order
    return new_orders, new_gains
