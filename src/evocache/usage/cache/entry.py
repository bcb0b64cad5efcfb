"""A question that a cache is asked, and what it holds of the answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import inf
from typing import Any

OVERHEAD = 400
"""Bytes that an entry takes beside its value: its key, its figures, its places in tables."""


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
