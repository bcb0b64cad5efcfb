"""Lives of stored values: when each is written and read, as a schedule of any size says it at once. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.intp]
Bytes = npt.NDArray[np.int64]


class Life(NamedTuple):
    """A stored value.

    Attributes:
        size: bytes.
        uses: events at which it is written and read, increasing; the first is its write, the last its last read.
    """

    size: int
    uses: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Lives:
    """Any number of lives, in three arrays.

    Attributes:
        sizes: bytes of each value.
        uses: events at which values are used, one value's after another's.
        first: where in `uses` each value's begin, and where the last one's end.
    """

    sizes: Bytes
    uses: Indices
    first: Indices

    @classmethod
    def of(cls, lives: Lives | Sequence[Life]) -> Lives:
        """Lives that were given one by one."""
        if isinstance(lives, Lives):
            return lives
        return cls(
            np.array([life.size for life in lives], dtype=np.int64),
            np.array([use for life in lives for use in life.uses], dtype=np.intp),
            np.cumsum([0, *(len(life.uses) for life in lives)]).astype(np.intp),
        )

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[Life]:
        uses, first = self.uses.tolist(), self.first.tolist()
        for number, size in enumerate(self.sizes.tolist()):
            yield Life(size, tuple(uses[first[number] : first[number + 1]]))

    @property
    def born(self) -> Indices:
        """Event at which each value is written."""
        return self.uses[self.first[:-1]]

    @property
    def last(self) -> Indices:
        """Event at which each value is read last."""
        return self.uses[self.first[1:] - 1]

    def value(self, use: Indices) -> Indices:
        """Whose use each of the numbered uses is."""
        return np.repeat(np.arange(len(self)), np.diff(self.first))[use]

    def held(self) -> Bytes:
        """Return bytes held at each event if nothing is parked."""
        return ramps(self.born, self.last + 1, self.sizes, int(self.last.max(initial=-1)) + 1)


def ramps(start: Indices, stop: Indices, size: Bytes, length: int) -> Bytes:
    """Return the sum of stretches, each of a size from `start` up to `stop`, at each of so many events."""
    change = np.zeros(length + 1, dtype=np.int64)
    np.add.at(change, start, size)
    np.subtract.at(change, stop, size)
    return np.cumsum(change)[:-1]


def sorted_by(keys: Indices) -> Indices:
    """Return the order that sorts whole numbers, equal ones as they came.

    Each makes one number with its place; these are sorted.

    That takes a third of the time of numpy's own stable order; no key may be as large as 2**63 over how many there are.
    """
    count = max(len(keys), 1)
    order: Indices = np.sort(keys * count + np.arange(len(keys))) % count
    return order
