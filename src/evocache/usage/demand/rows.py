"""Rows of a table that are given to digests, and taken back when they were used longest ago."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


class Rows:
    """Gives digests rows of a table, and takes back those that were used longest ago.

    Args:
        columns: of the table.
        most: rows at the most, row 0 not counted, which belongs to nobody.
        free: whether a row may be taken back now; any may if not given.
    """

    def __init__(self, columns: int, most: int, free: Callable[[int], bool] | None = None) -> None:
        self.table: NDArray[np.float64] = np.zeros((64, columns))
        self.most = most
        self._free_now = free
        self._rows: OrderedDict[int, int] = OrderedDict()
        self._free: list[int] = list(range(63, 0, -1))

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, digest: object) -> bool:
        return digest in self._rows

    def get(self, digest: int) -> int:
        """Return the row of a digest; 0 if it has none."""
        return self._rows.get(digest, 0)

    def use(self, digest: int) -> int:
        """Return the row of a digest, which counts as used; a new one, all zeros, where it has none."""
        row = self._rows.get(digest)
        if row is not None:
            self._rows.move_to_end(digest)
            return row
        for _ in range(len(self._rows)):
            if len(self._rows) < self.most:
                break
            oldest, old = next(iter(self._rows.items()))
            if self._free_now is None or self._free_now(old):
                self.drop(oldest)
            else:
                self._rows.move_to_end(oldest)
        if not self._free:
            grown = np.zeros((2 * len(self.table), self.table.shape[1]))
            grown[: len(self.table)] = self.table
            self._free = list(range(len(grown) - 1, len(self.table) - 1, -1))
            self.table = grown
        row = self._rows[digest] = self._free.pop()
        return row

    def drop(self, digest: int) -> None:
        """Take the row of a digest back, if it has one."""
        row = self._rows.pop(digest, None)
        if row is not None:
            self.table[row] = 0.0
            self._free.append(row)

    @property
    def nbytes(self) -> int:
        """Bytes of the table."""
        return self.table.nbytes
