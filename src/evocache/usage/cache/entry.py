"""A question that a cache is asked, and what it holds of the answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import inf
from sys import getsizeof
from typing import Any

from ...errors import UsageError, short
from ...units import MOST
from .names import Names

OVERHEAD = 400
"""Bytes that an entry takes beside its value: a short key, its figures, its places in tables."""

SHORT = 128
"""Bytes of a key that count among those."""


@dataclass(slots=True, eq=False)
class Entry:
    """Holds an answer.

    Attributes:
        key: as its user wrote it.
        name: what it is found by within the process: the key itself if it is a text, else its canonical bytes.
        id: 64-bit digest of the key.
        kept: the value, which nobody else can change.
        give: makes of it what a caller is given.
        size: bytes that it takes, these figures included.
        seconds: what computing it took.
        owner: digest of who asked for it first; 0 where nobody is named.
        group: digest of what it is about; 0 where it belongs to nothing.
        fresh: until when it is given, on the cache's clock.
        stale: until when it may be given while it is computed anew.
        pinned: whether it stays whatever happens.
        held: whether it is still in the cache.
    """

    key: Hashable
    name: str | bytes
    id: int
    kept: Any
    give: Callable[[Any], Any]
    size: int
    seconds: float
    owner: int = 0
    group: int = 0
    fresh: float = inf
    stale: float = inf
    pinned: bool = False
    held: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """Holds what is asked for, and what the caller says of its answer.

    Attributes:
        key: as its user wrote it.
        name: what it is found by within the process.
        owner: who asks; None where nobody is named.
        group: what it is about; None where it belongs to nothing.
        ttl: seconds that the answer is fresh; None for as long as the cache says.
        size: bytes that it takes; None to measure it.
        seconds: what computing it takes; None to measure it.
    """

    key: Hashable
    name: str | bytes
    owner: Hashable | None = None
    group: Hashable | None = None
    ttl: float | None = None
    size: int | None = None
    seconds: float | None = None

    def check(self, names: Names) -> None:
        """Refuse a wrong owner, group or figure, before anything is computed.

        Args:
            names: make digests of owners and groups.

        Raises:
            UsageError: if the owner or the group has no encoding; if `ttl`, `size` or `seconds` is negative, not
                finite (but for `ttl`) or no number.
        """
        names.owner(self.owner)
        names.group(self.group)
        for name, figure, most in (
            ("ttl", self.ttl, inf),
            ("size", self.size, MOST),
            ("seconds", self.seconds, LONGEST),
        ):
            check_figure(name, figure, most)


LONGEST = 1e12
"""Seconds that computing may be said to take, at the most."""


def key_bytes(key: Hashable, name: str | bytes) -> int:
    """Return the bytes that a long key takes beside `OVERHEAD`; what is named otherwise is held twice.

    Without them long questions of short answers would take more than a cache may hold.
    """
    held = getsizeof(name)
    return max(0, (held if key is name else 2 * held) - SHORT)


def check_figure(name: str, figure: Any, most: float) -> None:
    """Refuse a wrong figure; None means that it is not given.

    Raises:
        UsageError: if it is no number from 0 to the most.
    """
    if figure is not None and not (isinstance(figure, (int, float)) and 0 <= figure <= most):
        expected = "a number from 0" if most == inf else f"a number from 0 to {most:g}"
        raise UsageError(f"{name}={short(figure)}", expected, "leave it out where it is not known")


def ends(now: float, ttl: float | None, stale: float) -> tuple[float, float]:
    """Return until when an answer is fresh, and until when it may be given at all; it never ends without a `ttl`."""
    return (inf, inf) if ttl is None else (now + ttl, now + ttl + stale)
