"""A grid for another number of steps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .action import COMPUTE, REUSE
from .component import Tree

Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]


def resample(
    tree: Tree, executed: Mask, orders: npt.NDArray[np.int8], gains: npt.NDArray[np.float64], steps: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
    """Resample orders and gains to `steps` steps.

    A component's computed steps are points of a density: the k-th computed step has cumulative count k, with straight
    lines between. The count scales with the number of steps, and a new step computes where the scaled count reaches a
    whole number. So the share of computed steps and their local spacing, in steps, stay what they were. The other
    steps take the action of the nearest old step that did not compute.

    Counted are only the steps at which a component is looked at: those at which its parent, and a reader if it has
    any, computes. Otherwise the computed steps of a part would drift away from those of what contains it.

    Args:
        tree: the components.
        executed: (old steps, components) the cells that run.
        orders: (old steps, components) the actions of the grid.
        gains: (old steps, components) the gains of its forecasts.
        steps: the new number of steps, within the limits of sizes.
    """
    new_orders = np.full((steps, len(tree)), REUSE.order, dtype=np.int8)
    new_gains = np.zeros(new_orders.shape)
    runs = np.zeros(new_orders.shape, dtype=bool)
    for level in tree.levels:
        for column in level:
            old, new = _looked_at(tree, column, executed), _looked_at(tree, column, runs)
            computes = _spread(executed[old, column], len(new))
            runs[new, column] = computes
            new_orders[new[computes], column] = COMPUTE.order
            between = np.flatnonzero(~executed[old, column])
            if len(between):
                middles = (np.flatnonzero(~computes) + 0.5) * len(old) / len(new) - 0.5
                nearest = old[between[_nearest(middles, between)]]
                new_orders[new[~computes], column] = orders[nearest, column]
                new_gains[new[~computes], column] = gains[nearest, column]
    return new_orders, new_gains


def _looked_at(tree: Tree, column: np.intp, runs: Mask) -> Indices:
    """Steps at which the parent of a component, and one of its readers if it has any, computes."""
    parent, readers = tree.parents[column], tree.readers.get(int(column), ())
    above = runs[:, parent] if parent >= 0 else np.ones(len(runs), dtype=bool)
    return np.flatnonzero(above & runs[:, list(readers)].any(axis=1) if readers else above)


def _nearest(places: npt.NDArray[np.float64], steps: Indices) -> Indices:
    """For each place, which of the steps (in increasing order) is nearest to it; of two, the earlier one."""
    after = np.searchsorted(steps, places).clip(1, max(len(steps) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(steps) - 1)
    return np.where(np.abs(places - steps[before]) <= np.abs(places - steps[after]), before, after)


def _spread(computed: Mask, steps: int) -> Mask:
    """Which of `steps` new steps compute, for the old steps that do."""
    old = len(computed)
    points = np.flatnonzero(computed)
    edges = np.arange(steps + 1) * old / steps
    count = np.interp(edges, [*points, old], np.arange(len(points) + 1)) * steps / old
    whole = np.ceil(count - 1e-9)
    mask: Mask = whole[1:] > whole[:-1]
    return mask
