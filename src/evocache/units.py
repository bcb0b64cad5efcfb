"""Amounts of memory as people write them."""

from __future__ import annotations

import re

from .errors import AmountError, short

_AMOUNT = re.compile(r"\s*((?:\d+(?:\.\d*)?|\.\d+)(?:e\+?\d+)?)\s*([A-Za-z]*)\s*", re.ASCII)
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


PLAIN = 1024
"""Numbers from 1 below this are no bytes that anybody means, unless they say so: `"512B"`."""

MOST = 1 << 60
"""Most bytes that an amount may be."""


def in_bytes(amount: int | float | str) -> int:
    """Return the bytes of an amount such as `"200MB"` or `"1.5 GiB"`.

    A plain number is bytes, but for a small one, which is refused: nobody means 8 bytes.

    Raises:
        AmountError: if it is no amount, such as a negative one; `8`, which may mean `"8GB"`; or too large a one.

    >>> in_bytes("1.5 GiB")
    1610612736
    >>> in_bytes("8GB")
    8000000000
    """
    if isinstance(amount, int) and amount > MOST:
        raise AmountError(short(amount), f"at most {format_bytes(MOST)}", "write a smaller number")
    match = None if isinstance(amount, bool) else _AMOUNT.fullmatch(str(amount))
    if not match or match[2].upper() not in _UNITS:
        raise AmountError(short(amount), "bytes, such as 200MB or 1.5GiB", "write a number and a unit")
    count = float(match[1]) * _UNITS[match[2].upper()]
    if not count <= MOST:
        raise AmountError(short(amount), f"at most {format_bytes(MOST)}", "write a smaller number, or another unit")
    if not match[2] and 0 < count < PLAIN:
        given = f"{short(amount)} bytes, without a unit"
        raise AmountError(given, "bytes, such as 200MB or 1.5GiB", f"did you mean '{match[1]}GB'?")
    return int(count)


def format_bytes(count: float) -> str:
    """A number of bytes as a person would say it."""
    unit = next(unit for unit in ("GB", "MB", "KB", "B") if abs(count) >= _UNITS[unit] or unit == "B")
    return f"{count / _UNITS[unit]:.4g} {unit}"
