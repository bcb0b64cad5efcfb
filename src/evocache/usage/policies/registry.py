"""Eviction policies by name."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import UsageError, nearest, short
from .fifo import FIFO
from .lru import LRU
from .policy import EvictionPolicy
from .ranked.gdsf import GDSF
from .ranked.lcbfu import LCBFU
from .ranked.lfu import LFU
from .s3fifo import S3FIFO
from .sieve import SIEVE
from .wtinylfu import WTinyLFU

POLICIES: dict[str, type[EvictionPolicy]] = {p.name: p for p in (LRU, FIFO, LFU, SIEVE, S3FIFO, WTinyLFU, GDSF, LCBFU)}
"""Policies by name; all of them decide without knowing the future."""

NAMES = tuple(POLICIES)
"""Names that `policy` knows."""


def policy(
    name: str, max_bytes: int, seed: int = 0, among: Mapping[str, type[EvictionPolicy]] = POLICIES
) -> EvictionPolicy:
    """Return a new policy that holds nothing yet.

    Args:
        name: one of `NAMES`; case and hyphens do not matter, so that `S3-FIFO` is `s3fifo`.
        max_bytes: bytes that may be held, from 0.
        seed: seeds what the policy draws.
        among: policies by name, if not those of this room.

    Raises:
        UsageError: if no policy has that name, or the bytes are no whole number from 0.

    >>> policy("LRU", 1000).summary
    'least recently used'
    """
    plain = name.strip().lower().replace("-", "")
    if plain not in among:
        near = nearest(plain, tuple(among))
        mend = f"did you mean {short(near)}?" if near else "give one of these names"
        raise UsageError(f"an eviction policy {short(name)}", f"one of {', '.join(among)}", mend)
    if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 0:
        raise UsageError(f"max_bytes of {short(max_bytes)}", "a whole number from 0", "give bytes, such as 256_000_000")
    return among[plain](max_bytes, seed=seed)
