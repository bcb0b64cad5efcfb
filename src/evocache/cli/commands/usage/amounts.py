"""Rooms of caches as a person writes them: bytes, or a share of all answers."""

from __future__ import annotations

from ....errors import InputError


def parse_room(text: str, whole: int) -> int:
    """Return the bytes of a room: an amount, or a share of the bytes of all different answers.

    Raises:
        InputError: if it is a share, and not above 0 and at most 100 %.
        AmountError: if it is no amount of memory.
    """
    from ....units import in_bytes

    if not text.strip().endswith("%"):
        return in_bytes(text)
    try:
        share = float(text.strip().rstrip("% ")) / 100
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise InputError(f"--room {text}", "an amount such as 256MB, or a share from 0% to 100%", "--room 1%")
    return max(1, int(share * whole))
