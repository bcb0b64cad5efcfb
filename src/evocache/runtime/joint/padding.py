"""How many rows a joint call has where graphs are compiled: a few numbers, so that there are few graphs."""

from __future__ import annotations

from collections.abc import Sequence

from .lane import Lane

EIGHT = 8
"""From here on batches have multiples of this."""


def padded(rows: int) -> int:
    """Return how many rows are computed for so many: 1, 2, 4, or a multiple of 8."""
    return 1 << (rows - 1).bit_length() if rows < EIGHT else -(-rows // EIGHT) * EIGHT


def padding_of(lanes: Sequence[Lane]) -> int:
    """Return how many rows are added to those of some lanes; none if nothing of them is compiled."""
    rows = sum(lane.rows for lane in lanes)
    return padded(rows) - rows if lanes[0].regions is not None else 0
