"""Write a schedule by hand: forecast the whole stack at most steps, and let attention rest near the end."""

from __future__ import annotations

import numpy as np
import torch

import evocache
from evocache import zoo
from evocache.schedule import COMPUTE, REUSE, Schedule, save


def main() -> None:
    """Build, save, apply."""
    pipe = zoo.load("zoo:emoji")
    tree = evocache.discover(pipe).tree
    steps = 20
    orders = np.full((steps, len(tree)), COMPUTE.order, dtype=np.int8)
    gains = np.ones(orders.shape)
    span = tree.index[tree.of_kind("span")[0].id]
    skipped = [s for s in range(2, steps) if s % 3]
    orders[skipped, span] = 1  # forecast of order 1 ...
    gains[skipped, span] = np.linspace(1.0, 0.2, len(skipped))  # ... bold at first, cautious at the end
    for component in tree.of_kind("attention"):
        orders[15:, tree.index[component.id]] = REUSE.order
    schedule = Schedule(tree, orders, gains)
    print(schedule, schedule.digest)
    save(schedule, "by_hand.json")

    with evocache.apply(pipe, "by_hand.json") as handle:
        pipe("pizza on a white background", generator=torch.Generator().manual_seed(0))
        print(f"{handle.stats.executed_fraction:.0%} of the leaves executed")


if __name__ == "__main__":
    main()
