"""When an entry leaves, as one whole number: compared as fast as a tuple, in a third of its bytes.

From the highest bits to the lowest: the rank, as the bits of a float, which grow with it from 0 on (IEEE 754); the
number of the last use, 48 bits; the entry's place in lists, 32 bits.
"""

from __future__ import annotations

from struct import Struct

_RANK, _USED = 80, 32
"""Bits below the rank, and below the use."""

_PLACES = (1 << _USED) - 1
_FLOAT = Struct("<d")


def order_of(rank: float, used: int, place: int) -> int:
    """Return the number that orders entries by rank, and of equal ranks by use.

    Args:
        rank: from 0.
        used: number of the last use.
        place: of the entry.
    """
    return int.from_bytes(_FLOAT.pack(rank or 0.0), "little") << _RANK | used << _USED | place  # -0.0 has a bit more


def rank_in(order: int) -> float:
    """Return the rank in an order."""
    rank: float = _FLOAT.unpack((order >> _RANK).to_bytes(8, "little"))[0]
    return rank


def place_in(order: int) -> int:
    """Return the place in an order."""
    return order & _PLACES
