from types import SimpleNamespace

import numpy as np

from evocache.metrics import flops
from evocache.schedule import Component, Schedule, Tree


def test_flops_count_what_is_executed():
    """A denoiser of 10 on its own with two leaves of 100 and 1000; the second computes at two steps of four."""
    tree = Tree(
        (
            Component("t", "denoiser"),
            Component("t/a", "attention", 0, "t"),
            Component("t/f", "feed_forward", 0, "t"),
        )
    )
    orders = np.full((4, 3), -1)
    orders[[1, 3], 2] = 0
    probe = SimpleNamespace(exclusive=lambda what: {"t": 10.0, "t/a": 100.0, "t/f": 1000.0})
    assert flops(Schedule(tree, orders), probe) == 4 * 110 + 2 * 1000
    assert flops(Schedule.full(tree, 4), probe) == 4 * 1110
