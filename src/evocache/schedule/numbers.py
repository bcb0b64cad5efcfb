"""Numbers that a user gives as arguments: what is no number, or out of range, is refused by name."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from ..errors import Error, short


def check_whole(value: Any, name: str, low: int, high: int, kind: type[Error]) -> int:
    """Return a whole number in low..high (both included).

    Args:
        value: what was given.
        name: of the argument.
        low: the least that it may be.
        high: the most.
        kind: of the error.

    Raises:
        Error: of that kind, if it is something else; a bool is no number.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or not low <= int(value) <= high:
        raise kind(f"{name}={short(value)}", f"a whole number from {low} to {high}", f"choose another {name}")
    return int(value)


def check_real(
    value: Any, name: str, kind: type[Error], *, above: float | None = None, least: float | None = None
) -> float:
    """Return a finite number.

    Args:
        value: what was given.
        name: of the argument.
        kind: of the error.
        above: it must be more than this, if given.
        least: it must be at least this, if given.

    Raises:
        Error: of that kind, if it is something else; a bool is no number.
    """
    bound = "" if above is None else f" above {above:g}"
    bound += "" if least is None else f" from {least:g}"
    number = math.nan if isinstance(value, bool) or not isinstance(value, Real) else _float(value)
    if not math.isfinite(number) or (above is not None and number <= above) or (least is not None and number < least):
        raise kind(f"{name}={short(value)}", f"a finite number{bound}", f"choose another {name}")
    return number


def _float(value: Real) -> float:
    """A number as a float, if it is not larger than any."""
    try:
        return float(value)
    except OverflowError:
        return math.inf
