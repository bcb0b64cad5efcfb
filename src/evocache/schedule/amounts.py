"""Amounts of memory as people write them."""

from __future__ import annotations

import math
import re

from ..errors import AmountError

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def in_bytes(amount: int | float | str) -> int:
    """Bytes of an amount such as `"200MB"` or `"1.5 GiB"`.

    Raises:
        AmountError: if it is none.
    """
    if isinstance(amount, (int, float)) and not isinstance(amount, bool) and math.isfinite(amount):
        return int(amount)
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*)\s*", str(amount))
    if not match or match[2].upper() not in _UNITS:
        raise AmountError(f"{amount!r}", "bytes, such as 200MB or 1.5GiB", "write a number and a unit")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def told(count: float) -> str:
    """A number of bytes as a person would say it."""
    unit = next(unit for unit in ("GB", "MB", "KB", "B") if abs(count) >= _UNITS[unit] or unit == "B")
    return f"{count / _UNITS[unit]:.4g} {unit}"
