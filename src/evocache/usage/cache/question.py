"""A question that a cache cannot answer from memory."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


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
