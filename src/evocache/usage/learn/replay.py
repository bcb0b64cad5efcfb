"""A replay of the recent past under many weights at once: what each of them would have gained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..demand import formula
from ..demand.compiled import compile_now
from ..demand.formula import GROUP_COLUMNS, ID, KEY_COLUMNS, LOG_BYTES, LOG_SECONDS, OWNER_COLUMNS, Table
from ..demand.scored import SAMPLES
from ..demand.weights import CAUSES, COUNT
from ..policies.trace import Trace

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Window:
    """Holds a trace with its digests numbered, ready for replays.

    Attributes:
        key: rows of keys, from 0, one a request.
        owner: rows of owners, from 1; 0 is nobody.
        group: rows of groups, from 1; 0 is none.
        size: bytes, one a request.
        seconds: one a request.
        tables: number of keys, owners and groups, 0 included.
    """

    key: Rows
    owner: Rows
    group: Rows
    size: NDArray[np.float64]
    seconds: NDArray[np.float64]
    tables: tuple[int, int, int]

    @classmethod
    def of(cls, trace: Trace) -> Window:
        """Return the window of a trace."""
        key, keys = _numbered(trace.key)
        owner, owners = _numbered(trace.owner, nobody=True)
        group, groups = _numbered(trace.group, nobody=True)
        size = trace.size.astype(np.float64)
        return cls(key, owner, group, size, np.array(trace.seconds), (keys, owners, groups))

    def __len__(self) -> int:
        return len(self.key)

    def first(self, count: int) -> Window:
        """Return the window of the first requests, in the same tables."""
        key, owner, group = self.key[:count], self.owner[:count], self.group[:count]
        return Window(key, owner, group, self.size[:count], self.seconds[:count], self.tables)


def replay(
    window: Window, weights: NDArray[np.float64], max_bytes: int, *, seed: int = 0, samples: int = SAMPLES
) -> NDArray[np.bool_]:
    """Return which requests would have been hits, under each of some weights, from an empty cache.

    The decisions are those of `Scored`; where it draws samples, other ones are drawn. It is compiled where numba is
    installed, and takes some hundred times as long where it is not.

    Args:
        window: the requests.
        weights: vectors, shape (candidates, 10).
        max_bytes: bytes that may be held.
        seed: seeds the draws, which are the same for all candidates that decide the same.
        samples: entries that are looked at to find one that leaves.

    Returns:
        Shape (candidates, requests).
    """
    weights = np.ascontiguousarray(weights, dtype=np.float64).reshape(-1, COUNT)
    factors, exponents = np.exp(weights[:, :CAUSES]), np.ascontiguousarray(weights[:, CAUSES:])
    columns = window.key, window.owner, window.group, window.size, window.seconds
    tables = tuple(np.zeros((rows, columns)) for rows, columns in zip(window.tables, _WIDTHS, strict=True))
    hits = np.zeros((len(weights), len(window)), dtype=np.bool_)
    run = kernel()
    for candidate in range(len(weights)):
        for table in tables:
            table[:] = 0
        run(
            *columns,
            *tables,
            float(max_bytes),
            factors[candidate],
            exponents[candidate],
            samples,
            seed + 1,
            hits[candidate],
        )
    return hits


_WIDTHS = KEY_COLUMNS, OWNER_COLUMNS, GROUP_COLUMNS


def _numbered(digests: NDArray[Any], *, nobody: bool = False) -> tuple[Rows, int]:
    """Return the digests as numbers from 0, or from 1 with 0 for those that are 0; and how many there are."""
    known, rows = np.unique(digests, return_inverse=True)
    if nobody and (not len(known) or known[0] != 0):
        return rows.astype(np.int64) + 1, len(known) + 1
    return rows.astype(np.int64), len(known)


@cache
def kernel() -> Callable[..., None]:
    """Return the loop of a replay, compiled where numba is installed."""
    compiled = compile_now()
    if compiled is None:
        return _loop_of(formula.note, formula.score)
    looped: Callable[..., None] = compiled.compile(_loop_of(compiled.note, compiled.score))
    return looped


def _loop_of(note: Any, score: Any) -> Callable[..., None]:
    """Return the loop of a replay; it is written in scalars, so that it may be compiled."""

    def run(
        key: Any, owner: Any, group: Any, size: Any, seconds: Any, keys: Table, owners: Table, groups: Table,
        room: float, factors: Table, exponents: Table, samples: int, seed: int, hits: Any,
    ) -> None:  # fmt: skip
        place = np.full(len(keys), -1, np.int64)
        held = np.zeros(len(keys), np.int64)
        sizes = np.zeros(len(keys))
        count = 0
        taken = 0.0
        state = (seed * 48271) % 2147483647
        for i in range(len(key)):
            k, t = key[i], float(i + 1)
            if keys[k, ID] == 0.0:
                keys[k, ID] = k + 1.0
                keys[k, LOG_SECONDS] = np.log(max(seconds[i], 1e-6))
                keys[k, LOG_BYTES] = np.log(size[i])
            note(keys, owners, groups, t, k, owner[i], group[i])
            if place[k] >= 0:
                hits[i] = True
                continue
            if size[i] > room:
                continue
            own = score(keys, owners, groups, t, k, factors, exponents)
            left = count
            while taken + size[i] > room:
                lowest, at = own, -1
                for n in range(min(samples, left)):
                    if left <= samples:
                        j = n
                    else:
                        state = (state * 48271) % 2147483647
                        j = state % left
                    worth = score(keys, owners, groups, t, held[j], factors, exponents)
                    if worth < lowest:
                        lowest, at = worth, j
                if at < 0:
                    break
                left -= 1  # those that are to leave stand behind the others, until the newcomer is in
                out, other = held[at], held[left]
                held[at], held[left] = other, out
                place[other], place[out] = at, left
                taken -= sizes[out]
            if taken + size[i] > room:
                for n in range(left, count):
                    taken += sizes[held[n]]
                continue
            for n in range(left, count):
                place[held[n]] = -1
            count = left + 1
            held[left], place[k], sizes[k] = k, left, size[i]
            taken += size[i]

    return run
