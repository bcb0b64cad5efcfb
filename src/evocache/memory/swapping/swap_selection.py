"""Which features leave the device between two uses, so that what stays fits a capacity. Pure.

Events are the writes and reads of features in the order in which they happen. A value stays on the device from its
write to its last read, but for the gaps between two uses in which it is parked. It leaves `ahead` events after a use,
when it has been written out, and is counted again from `ahead` events before the next, when it starts coming back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .gaps import Gaps
from .lifetimes import Bytes, Life, Lives, ramps


class Gap(NamedTuple):
    """Value `value` is parked between its uses number `use` and `use + 1`."""

    value: int
    use: int


class Swaps(NamedTuple):
    """What is parked, and what that leaves on the device.

    Attributes:
        gaps: the gaps in which values are parked.
        peak: most bytes on the device at one event.
        moved: bytes written out (once a value) and read back (once a gap).
    """

    gaps: tuple[Gap, ...]
    peak: int
    moved: int


def swaps(lives: Lives | Sequence[Life], capacity: int, ahead: int) -> Swaps:
    """Return the fewest gaps, of values of one size, that bring the peak down to a capacity; or as near as gaps can.

    Events are gone through in order. Where too much is held, the gap that ends last of those that are open there is
    parked (Belady's rule, 1966), which for values of one size is optimal: of any other choice, no later event is
    relieved more. Of values of several sizes, gaps that turn out not to be needed are given up again.

    Args:
        lives: the values.
        capacity: bytes.
        ahead: events between a use and the moment from which a parked value is away, and back.
    """
    lives = Lives.of(lives)
    found = Gaps.of(lives, ahead).to(capacity)
    value = lives.value(found.gaps)
    use = found.gaps - lives.first[value]
    gaps = tuple(Gap(*gap) for gap in zip(value.tolist(), use.tolist(), strict=True))
    return Swaps(gaps, found.peak, found.moved.bytes)


def held(lives: Lives | Sequence[Life], gaps: Sequence[Gap], ahead: int) -> Bytes:
    """Return bytes on the device at each event, with values parked in gaps."""
    lives = Lives.of(lives)
    value, use = np.array(gaps, dtype=np.intp).reshape(-1, 2).T
    at, out = lives.first[value] + use, lives.held()
    start, stop = lives.uses[at] + ahead + 1, lives.uses[at + 1] - ahead
    some = start < stop
    return out - ramps(start[some], stop[some], lives.sizes[value[some]], len(out))
