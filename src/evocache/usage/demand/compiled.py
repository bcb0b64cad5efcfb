"""The formula of demand, compiled by numba where that is installed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import DependencyError
from ...extras import optional
from . import formula
from .formula import Table


@dataclass(frozen=True)
class Compiled:
    """Holds the functions that are worth compiling.

    Attributes:
        note: `formula.note`.
        score: `formula.score`.
        lowest: `Demand.lowest`.
        compile: compiles another function that calls them.
    """

    note: Callable[..., None]
    score: Callable[..., float]
    lowest: Callable[..., int]
    compile: Callable[[Any], Any]


def _lowest_by(score: Any) -> Callable[..., int]:
    """Return the function `lowest`, which finds the lowest by this score."""

    def lowest(
        keys: Table, owners: Table, groups: Table, t: float, rows: Any, held: int, draws: Any, newcomer: int,
        factors: Table, exponents: Table,
    ) -> int:  # fmt: skip
        found, least = -1, np.inf
        for n in range(len(draws) if len(draws) else held):
            place = int(draws[n] * held) if len(draws) else n
            worth = score(keys, owners, groups, t, rows[place], factors, exponents)
            if worth <= least:
                found, least = place, worth
        return -1 if score(keys, owners, groups, t, newcomer, factors, exponents) <= least else found

    return lowest


_lock = threading.Lock()
_ready: list[Compiled] = []
_missing: list[bool] = []


def ready() -> Compiled | None:
    """Return the compiled functions if they were compiled before; None takes no time."""
    return _ready[0] if _ready else None


def compile_now() -> Compiled | None:
    """Return the compiled functions, compiled now if need be (some seconds, the first time on a machine).

    They let other threads run. None where numba is missing.
    """
    with _lock:
        if not _ready and not _missing:
            try:
                numba = optional("numba")
            except DependencyError:
                _missing.append(True)
                return None
            compiler = numba.njit(cache=True, error_model="numpy", nogil=True)
            note, score = compiler(formula.note), compiler(formula.score)
            least = compiler(_lowest_by(score))
            widths = formula.KEY_COLUMNS, formula.OWNER_COLUMNS, formula.GROUP_COLUMNS
            tables = [np.zeros((1, columns)) for columns in widths]
            least(*tables, 1.0, np.zeros(1, np.intp), 1, np.zeros(0), 0, np.ones(7), np.ones(3))
            note(*tables, 1.0, 0, 0, 0)
            _ready.append(Compiled(note, score, least, compiler))
        return ready()
