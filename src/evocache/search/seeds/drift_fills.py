"""Drift-greedy fills: leaf by leaf and step by step, reuse first what drifts least for the seconds it saves. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ...schedule import COMPUTE, REUSE, Action, Schedule, Tree, forecast

Matrix = npt.NDArray[np.float64]

SHARES = (0.85, 0.7, 0.55, 0.4, 0.3, 0.2)
"""Shares of the leaves' time that fills go down to."""


def make_fills(
    tree: Tree,
    steps: int,
    drift: Mapping[str, Matrix],
    seconds: Mapping[str, float],
    shares: Sequence[float] = SHARES,
    gain: float = 0.0,
) -> Iterator[Schedule]:
    """Make schedules that reuse single cells of leaves, for each share of the leaves' time that is left.

    From everything computed, the cell is reused next that adds least drift for each second that it saves. What it adds
    counts the cells after it, too: they then read an older value.

    Args:
        tree: the components.
        steps: number of steps.
        drift: by leaf, (steps, steps); `drift[computed, step]` is the error of using one step's output at another.
            Leaves without are computed.
        seconds: of one execution, by component.
        shares: of the time of the leaves that drift is known of, in any order.
        gain: of a first-order forecast in place of reuse.

    Yields:
        A schedule for each share that can be reached, from the largest to the smallest.
    """
    columns = [i for i in tree.leaves if tree.components[i].id in drift]
    leaves = [_Leaf(drift[tree.components[i].id], seconds.get(tree.components[i].id, 0.0)) for i in columns]
    total = left = sum(leaf.seconds for leaf in leaves) * steps
    wanted = sorted(shares, reverse=True)
    between: Action = forecast(1, gain) if gain else REUSE
    queue = [(leaf.price(step), k, step) for k, leaf in enumerate(leaves) for step in range(1, steps) if leaf.seconds]
    heapq.heapify(queue)
    while queue and wanted:
        price, k, step = heapq.heappop(queue)
        leaf = leaves[k]
        now = leaf.price(step)
        if now > price:  # a neighbour is reused by now
            heapq.heappush(queue, (now, k, step))
            continue
        leaf.computed[step] = False
        left -= leaf.seconds
        while wanted and left <= wanted[0] * total * (1 + 1e-9):
            yield _filled(tree, columns, leaves, between).with_provenance(
                f"fill to {wanted.pop(0):.0%} of the leaves' time, gain {gain:g}"
            )


class _Leaf:
    """One column: which steps compute, and what it would add to let one of them go.

    Prices only rise as neighbours go, which a queue of old prices relies on, if errors grow with age; where they do
    not, a cell may come a little later than it could.
    """

    def __init__(self, drift: Matrix, seconds: float) -> None:
        self.drift = drift
        self.seconds = seconds
        self.computed = np.ones(len(drift), dtype=bool)

    def price(self, step: int) -> float:
        """Drift added for each second saved if `step`, which computes, is reused instead."""
        before = int(np.flatnonzero(self.computed[:step])[-1])
        later = np.flatnonzero(self.computed[step + 1 :])
        end = step + 1 + int(later[0]) if len(later) else len(self.computed)
        added = self.drift[before, step:end].sum() - self.drift[step, step + 1 : end].sum()
        return float(added / self.seconds)


def _filled(tree: Tree, columns: list[int], leaves: list[_Leaf], between: Action) -> Schedule:
    orders = np.full((len(leaves[0].computed), len(tree)), COMPUTE.order, dtype=np.int8)
    gains = np.zeros(orders.shape)
    for column, leaf in zip(columns, leaves, strict=True):
        orders[~leaf.computed, column] = between.order
        gains[~leaf.computed, column] = between.gain
    return Schedule.repaired(tree, orders, gains)
