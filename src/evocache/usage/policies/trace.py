"""Traces: requests as columns, which replays read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError, short

Column: TypeAlias = NDArray[Any] | Sequence[int] | Sequence[float] | int | float
"""Values of a column, one a request, or one value for all requests."""


@dataclass(frozen=True, eq=False)
class Trace:
    """Holds requests in order of arrival, a column a figure; all columns are of one length and cannot be written to.

    A part of a trace, `trace[1000:2000]` or `trace[mask]`, is a trace; its times go on, so that a policy that is shown
    one key in ten is told the same times as the cache.

    Attributes:
        key: 64-bit digests, int64 or uint64.
        size: bytes that the answer takes, from 1, int64.
        seconds: what computing the answer takes, from 0, float64.
        owner: digests of who asked, int64 or uint64; 0 where nobody is named.
        group: digests of what the request is about, int64 or uint64; 0 where it belongs to none.
        time: number of requests so far, the row's own included, int64; never decreases.

    Raises:
        UsageError: if a column is of another length, kind or range.

    >>> trace = Trace.of([7, 8, 7], size=100)
    >>> len(trace), trace[1:].time.tolist()
    (3, [2, 3])
    """

    key: NDArray[Any]
    size: NDArray[np.int64]
    seconds: NDArray[np.float64]
    owner: NDArray[Any]
    group: NDArray[Any]
    time: NDArray[np.int64]

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            object.__setattr__(self, name, _column(name, getattr(self, name)))
        for name, least in (("size", 1), ("seconds", 0), ("time", 0)):
            _check_least(name, getattr(self, name), least)
        lengths = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        if len(set(lengths.values())) > 1:
            raise UsageError(f"columns of lengths {lengths}", "one length", "give a value a request in each column")
        late = np.flatnonzero(self.time[1:] < self.time[:-1])
        if late.size:
            raise UsageError(f"a time that decreases after row {late[0]}", "requests in order", "sort them by time")

    @classmethod
    def of(
        cls,
        key: NDArray[Any] | Sequence[int],
        *,
        size: Column = 1,
        seconds: Column = 1.0,
        owner: Column = 0,
        group: Column = 0,
        time: Column | None = None,
    ) -> Trace:
        """Return a trace of these keys; a single value of another column is that of all requests.

        Args:
            key: one digest a request.
            size: bytes.
            seconds: seconds.
            owner: digests.
            group: digests.
            time: number of requests so far; 1, 2, 3 and so on if not given.

        Raises:
            UsageError: if a column is of another length, kind or range.
        """
        rows = len(key)
        times = np.arange(1, rows + 1) if time is None else time
        others = (np.full(rows, c) if np.ndim(c) == 0 else _array(c) for c in (size, seconds, owner, group, times))
        return cls(_array(key), *others)

    def __len__(self) -> int:
        return len(self.key)

    @property
    def whole(self) -> int:
        """Bytes of all different answers, each as large as it was at first."""
        _, first = np.unique(self.key, return_index=True)
        return int(self.size[first].sum())

    def __getitem__(self, rows: slice | NDArray[Any]) -> Trace:
        """Return the trace of some rows: a slice, a mask of all rows, or increasing row numbers."""
        if not isinstance(rows, slice | np.ndarray):
            raise UsageError(short(rows), "a slice, a mask or an array of row numbers", "write trace[start:stop]")
        return Trace(*(getattr(self, field.name)[rows] for field in fields(self)))


def _array(values: Column) -> NDArray[Any]:
    """Return values as an array: numpy takes digests on both sides of 2^63 for floats, which lose digits."""
    array = np.asarray(values)
    if array.dtype.kind != "f" or isinstance(values, np.ndarray | int | float):
        return array
    whole = all(isinstance(value, int) and value >= 0 for value in values)
    return np.array(values, np.uint64) if whole else array


def _column(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view of a column in its type."""
    given = np.asarray(values)
    kinds = "iuf" if name == "seconds" else "iu"
    if given.ndim != 1 or (given.dtype.kind not in kinds and given.size):
        what = "numbers" if name == "seconds" else "whole numbers of 64 bits at most"
        found = f"a column {name} of {given.ndim} dimensions and type {given.dtype}"
        raise UsageError(found, f"one dimension of {what}", "give an array of one value a request")
    column = given.astype(_TYPES.get(name, np.uint64 if given.dtype.kind == "u" else np.int64), copy=False).view()
    column.flags.writeable = False
    return column


_TYPES: dict[str, Any] = {"size": np.int64, "seconds": np.float64, "time": np.int64}
"""Types of columns that are no digests."""


def _check_least(name: str, column: NDArray[Any], least: int) -> None:
    wrong = np.flatnonzero(~(np.isfinite(column) & (column >= least)))
    if wrong.size:
        row = int(wrong[0])
        raise UsageError(f"{name} {column[row]} in row {row}", f"{least} or more", "leave such requests out")
