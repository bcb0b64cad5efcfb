"""Numbers as a row of bars, a character each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

BARS = " ▁▂▃▄▅▆▇█"


def draw_bars(values: Sequence[float], width: int) -> str:
    """Return a row of bars from 0 to the largest value, of which each is seen that is above 0.

    Args:
        values: from 0, from left to right; where there are more than columns, neighbours are averaged.
        width: columns at most; values are repeated where there is room for each as often.
    """
    if len(values) > width:
        edges = [i * len(values) // width for i in range(width + 1)]
        values = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    most, repeat = max(values, default=0.0), max(1, width // max(1, len(values)))
    return "".join(BARS[_level(value, most)] * repeat for value in values)


def _level(value: float, most: float) -> int:
    return max(1, round(value / most * (len(BARS) - 1))) if value > 0 else 0
