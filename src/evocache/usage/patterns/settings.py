"""Keys as numbers, and the check that two patterns can be merged."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from ...errors import UsageError

Key = int | bytes
"""A digest: a whole number of 64 bits, or bytes."""

_MASK = (1 << 64) - 1


@lru_cache(maxsize=4096)
def hash64(key: Key) -> int:
    """Return a hash of 64 bits that is the same in every process and evenly spread, also of small numbers.

    The last ones are remembered, since all patterns of a request ask for the same few.
    Numbers go through the finaliser of SplitMix64 (Steele et al., OOPSLA 2014).
    """
    if isinstance(key, bytes):
        return int.from_bytes(blake2b(key, digest_size=8).digest(), "big")
    mixed = (key + 0x9E3779B97F4A7C15) & _MASK
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _MASK
    return mixed ^ mixed >> 31


def check_alike(name: str, mine: object, others: object) -> None:
    """Refuse to merge what was set otherwise.

    Raises:
        UsageError: if the settings differ.
    """
    if mine != others:
        raise UsageError(f"{name} of {others} to be merged", f"{name} of {mine}", "count both with the same settings")


def check_least(name: str, value: float, least: float) -> None:
    """Refuse a setting that is too small.

    Raises:
        UsageError: if it is.
    """
    if not value >= least:
        raise UsageError(f"{name} {value}", f"{least} or more", "leave it out for what is usual")
