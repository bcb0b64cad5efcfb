"""Dynamo's graphs, of which each contender keeps its own, and how many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch

MANY = 2**16


@contextmanager
def kept() -> Iterator[None]:
    """Within the context no graph is given up for another, so that the order of contenders does not matter.

    Dynamo compiles a function at most 8 times in a process, and then runs it uncompiled without a word: the contenders
    that come last would lose. With a reset before each contender, the uncached generations between which it is timed
    would be compiled anew as well. So the limit is raised instead, and reaching it is an error. Before and after the
    context dynamo is reset: models share functions.
    """
    from torch._dynamo import config

    torch._dynamo.reset()
    limits = {"recompile_limit": MANY, "accumulated_recompile_limit": MANY, "fail_on_recompile_limit_hit": True}
    try:
        with config.patch(limits):
            yield
    finally:
        torch._dynamo.reset()


def counted() -> Counter[str]:
    """Graphs, graph breaks, and functions that were given up, so far in this process."""
    from torch._dynamo.utils import counters

    frames = counters["frames"]
    return Counter(
        {
            "graphs": counters["stats"]["unique_graphs"],
            "graph breaks": sum(counters["graph_break"].values()),
            "frames not compiled": frames["total"] - frames["ok"],
        }
    )


def since(before: Counter[str]) -> dict[str, int]:
    """What came since an earlier count."""
    now = counted()
    return {name: now[name] - before[name] for name in now}
