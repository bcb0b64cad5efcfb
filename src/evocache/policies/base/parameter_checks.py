"""Checks of the parameters of caching methods, whose errors say how a spec is written."""

from __future__ import annotations

from math import isfinite
from typing import Any

from ...errors import PolicyError, short
from ...schedule.size_limits import MAX_STEPS
from .caching_method import CachingMethod


def check_positive(method: CachingMethod, name: str, value: Any) -> None:
    """Check that a parameter is a positive whole number.

    Raises:
        PolicyError: if it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_STEPS:
        expected = f"a whole number from 1 to {MAX_STEPS}"
        raise PolicyError(f"{name} {short(value)} for {method.name}", expected, f"write {method.usage}")


def check_not_negative(method: CachingMethod, name: str, value: float, *, whole: bool = False) -> None:
    """Check that a parameter is a number from 0.

    Raises:
        PolicyError: if it is not.
    """
    most = MAX_STEPS if whole else float("inf")
    if not _is_number(value) or not 0 <= value <= most or value == float("inf") or (whole and type(value) is not int):
        expected = f"a whole number from 0 to {MAX_STEPS}" if whole else "a number from 0"
        raise PolicyError(f"{name} {short(value)} for {method.name}", expected, f"write {method.usage}")


def check_share(method: CachingMethod, name: str, value: float) -> None:
    """Check that a parameter is a share.

    Raises:
        PolicyError: if it is not a number in 0..1.
    """
    if not _is_number(value) or not 0 <= value <= 1:
        raise PolicyError(f"{name} {short(value)} for {method.name}", "a number in 0..1", f"write {method.usage}")


def check_finite(method: CachingMethod, name: str, *values: float) -> None:
    """Check that parameters are finite numbers.

    Raises:
        PolicyError: if one is not.
    """
    for value in values:
        if not _is_number(value) or not isfinite(value):
            raise PolicyError(f"{name} {short(value)} for {method.name}", "a finite number", f"write {method.usage}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
