"""The tables of demand: a row a key, owner and group; bounded, so that what was not asked for longest is forgotten."""

from __future__ import annotations

import itertools
from math import log

import numpy as np
from numpy.typing import NDArray

from ..policies.policy import Item
from . import formula
from .compiled import ready
from .formula import GROUP_COLUMNS, ID, KEY_COLUMNS, LOG_BYTES, LOG_SECONDS, NUMBER, OWNER_COLUMNS
from .rows import Rows
from .weights import Factors

LEAST_KEYS = 4096
"""Keys that are remembered at the least, held or not."""

GHOSTS = 4
"""How many keys are remembered for each that is held."""

OWNERS = GROUPS = 10_000
"""Most owners, and most groups for each owner or key that may be remembered beside them."""

_EXACT = (1 << 53) - 1
"""Digests are told apart by as many bits as a float holds exactly."""


class Demand:
    """Remembers how keys, owners and groups are asked for, and says what keys are worth.

    One may serve several caches that see the same requests: which keys each of them holds is its own affair. Keys that
    are held by one of them are `kept`, and not forgotten before the others.
    """

    def __init__(self) -> None:
        self._kept: dict[int, int] = {}
        self._keys = Rows(KEY_COLUMNS, LEAST_KEYS, lambda row: row not in self._kept)
        self._owners = Rows(OWNER_COLUMNS, OWNERS)
        self._groups = Rows(GROUP_COLUMNS, GROUPS)
        self._numbers = itertools.count(1).__next__
        self.now = 0
        """Number of requests so far, at the latest that was noted."""

    def __len__(self) -> int:
        """Number of keys that are remembered."""
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        """Whether a key is remembered."""
        return key in self._keys

    def note(self, item: Item, now: int) -> int:
        """Note a request and return the row of its key.

        Args:
            item: what was asked for, by whom.
            now: number of requests so far, this one included.
        """
        self.now, compiled = now, ready()
        k = self._keys.use(item.key)
        o = self._owners.use(item.owner) if item.owner else 0
        g = self._groups.use(item.group) if item.group else 0
        if g and not self._groups.table[g, NUMBER]:
            self._groups.table[g, NUMBER] = self._numbers()
        row = self._keys.table[k]
        row[ID] = item.key & _EXACT or 1
        row[LOG_SECONDS], row[LOG_BYTES] = log(max(item.seconds, 1e-6)), log(max(item.size, 1))
        note = formula.note if compiled is None else compiled.note
        note(self._keys.table, self._owners.table, self._groups.table, float(now), k, o, g)
        return k

    def row(self, item: Item, now: int) -> int:
        """Return the row of a key that was noted; it is noted now if it was forgotten."""
        return self._keys.get(item.key) or self.note(item, now)

    def scores(self, rows: NDArray[np.intp], now: int, weights: Factors) -> NDArray[np.float64]:
        """Return what the keys in some rows are worth at a time, shape (n,)."""
        tables = self._keys.table, self._owners.table, self._groups.table
        return formula.scores(*tables, float(now), rows, weights.factors, weights.exponents)

    def lowest(
        self,
        rows: NDArray[np.intp],
        held: int,
        draws: NDArray[np.float64],
        newcomer: int,
        now: int,
        weights: Factors,
    ) -> int:
        """Return the place of the entry of a sample that is worth least, or -1 where the newcomer is.

        Of those that are equal it is the last one, and the newcomer after all others.

        Args:
            rows: of the keys that are held, shape (held or more,).
            held: number of entries.
            draws: from [0, 1), shape (samples,): as which parts of all places the sample stands; none for all places.
            newcomer: row of its key.
            now: number of requests so far.
            weights: of the score.
        """
        compiled = ready()
        if compiled is not None:
            tables = self._keys.table, self._owners.table, self._groups.table
            factors, exponents = weights.factors, weights.exponents
            return compiled.lowest(*tables, float(now), rows, held, draws, newcomer, factors, exponents)
        places = (draws * held).astype(np.intp) if len(draws) else np.arange(held)
        worths = self.scores(np.append(rows[places], newcomer), now, weights)
        last = len(worths) - 1 - int(worths[::-1].argmin())
        return -1 if last == len(places) else int(places[last])

    def keep(self, row: int) -> None:
        """Have a row not forgotten: a cache holds its key."""
        self._kept[row] = self._kept.get(row, 0) + 1
        self._keys.most = max(LEAST_KEYS, (1 + GHOSTS) * len(self._kept))

    def release(self, row: int) -> None:
        """Let a row be forgotten when its time comes: one cache less holds its key."""
        held = self._kept.pop(row) - 1
        if held:
            self._kept[row] = held

    def forget(self, key: int) -> None:
        """Forget a key that no cache holds."""
        row = self._keys.get(key)
        if row and row not in self._kept:
            self._keys.drop(key)

    def forget_owner(self, owner: int) -> None:
        """Forget an owner."""
        self._owners.drop(owner)

    @property
    def nbytes(self) -> int:
        """Bytes of the tables."""
        return self._keys.nbytes + self._owners.nbytes + self._groups.nbytes
