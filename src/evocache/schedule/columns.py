"""Schedules in which some components compute at some steps, all of them alike."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np

from ..errors import ScheduleError
from .action import COMPUTE, REUSE, Action
from .component import Tree
from .schedule import Schedule
from .size_limits import check_size


def uniform(
    tree: Tree, steps: int, columns: Sequence[str], computed: Sequence[int], between: Action = REUSE
) -> Schedule:
    """Make a schedule in which the named components compute at the given steps and do `between` at the others.

    Raises:
        ScheduleError: if there is no such component or step, none of the steps is the first, or there are more cells
            than a schedule may have.

    >>> tree = evocache.discover(pipe).tree
    >>> uniform(tree, 4, ["transformer/blocks[0:8]"], [0, 2]).counts()["transformer/blocks[0:8]"]
    2
    """
    check_size(tree, steps)
    for column in columns:
        if column not in tree.index:
            near = difflib.get_close_matches(column, tree.index, 3, 0) or ["no component at all"]
            raise ScheduleError(
                f"component {column!r}", f"one of the tree's, such as {', '.join(near)}", "correct the id"
            )
    beyond = [step for step in computed if not 0 <= step < steps]
    if beyond:
        raise ScheduleError(f"step {beyond[0]}", f"steps in 0..{steps - 1}", "compute within the schedule")
    orders = np.full((steps, len(tree)), COMPUTE.order, dtype=np.int8)
    gains = np.zeros(orders.shape)
    chosen = np.array([tree.index[c] for c in columns], dtype=np.intp)
    skipped = np.setdiff1d(np.arange(steps), np.asarray(computed, dtype=int))
    orders[np.ix_(skipped, chosen)] = between.order
    gains[np.ix_(skipped, chosen)] = between.gain
    return Schedule(tree, orders, gains)
