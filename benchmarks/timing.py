"""What benchmarks share of timing beside the rounds of `evocache.metrics.timing`: clocks, and figures of results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter, process_time
from typing import Any, NamedTuple

from evocache.schedule.front.comparison import Spread


class Taken(NamedTuple):
    """Seconds of one run: by the clock, and of all processors together, to which other programs add nothing."""

    clock: float
    processors: float


def take(run: Callable[[], object]) -> Taken:
    """Run something, and return how long it took by both."""
    began, used = perf_counter(), process_time()
    run()
    return Taken(perf_counter() - began, process_time() - used)


def summarise(values: Sequence[float], digits: int = 4) -> dict[str, Any]:
    """Return median and quartiles as results hold them."""
    found = Spread.of(values)
    return {"median": round(found.middle, digits), "quartiles": [round(found.low, digits), round(found.high, digits)]}


def summarise_range(values: Sequence[float], digits: int = 4) -> dict[str, Any]:
    """Return median, least and most, for rounds that may be few."""
    return {"median": round(median(values), digits), "range": [round(f(values), digits) for f in (min, max)]}
