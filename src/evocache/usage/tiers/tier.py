"""What a tier is: the contract that a disk, a server and tests of both share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from ...errors import UsageError

SKEW = 60.0
"""Seconds that clocks may differ: an entry that was made later than that from now is of a clock that jumped."""

REMEMBERED = 3600.0
"""Seconds for which a tier remembers that an entry was forgotten: what began before that is not kept again."""

MOST_REMEMBERED = 10_000
"""Forgotten entries that a tier remembers at the most, a tenant; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry as a tier keeps it.

    Attributes:
        payload: its value as a codec wrote it.
        format: the codec's name.
        seconds: what computing the value took.
        size: bytes of the value in memory.
        created: when it was computed, in seconds since 1970.
        expires: when it ends, in seconds since 1970; `None` if never.
        owner: digest of who asked, empty where nobody is named.
        group: digest of what it is about, empty where it belongs to none.
        began: when computing it began; `None` if with `created`. Asked for when it is put, and not kept.
    """

    payload: bytes
    format: str
    seconds: float
    size: int
    created: float
    expires: float | None = None
    owner: bytes = b""
    group: bytes = b""
    began: float | None = field(default=None, compare=False)

    @property
    def since(self) -> float:
        """When computing it began."""
        return self.created if self.began is None else self.began

    def over(self, now: float) -> bool:
        """Return whether its time is over, or has not come: then its clock was wrong, and so is when it ends."""
        return self.created > now + SKEW or (self.expires is not None and self.expires <= now)


@dataclass(slots=True)
class TierFigures:
    """What a tier did since it was opened.

    Attributes:
        hits: entries that it gave.
        misses: entries that it was asked for and did not have.
        stored: entries that it kept.
        dropped: entries that it did not keep: larger than it is, of a format that it does not take, or it was off.
        evicted: entries that left to make room.
        damaged: entries that did not pass their checksum.
        failures: times that it could not be used.
    """

    hits: int = 0
    misses: int = 0
    stored: int = 0
    dropped: int = 0
    evicted: int = 0
    damaged: int = 0
    failures: int = 0


def not_cleared(name: str) -> UsageError:
    """Return the error of a tier that cannot be used when something is to be forgotten."""
    given = f"a {name} cache that cannot be used now: what was to be cleared may still be there"
    return UsageError(given, "one that works", "call clear again when it does, or delete its data by hand")


class Tier(ABC):
    """Keeps entries of one tenant, by digests of their keys, within a number of bytes.

    Only `clear` raises because of a disk or a server: a tier that fails warns once, answers as if it were empty, and
    is tried again later. Tenants of one disk or server see nothing of each other, and each has its own bytes.

    Class attributes: `name`.
    """

    name: ClassVar[str]

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.figures = TierFigures()

    @abstractmethod
    def get(self, key: bytes) -> Stored | None:
        """Return an entry as it was put, or `None` where there is none whose time has come and is not over."""

    @abstractmethod
    def put_many(self, entries: Iterable[tuple[bytes, Stored]]) -> int:
        """Keep entries, instead of those of the same keys, and make room for them.

        An entry is refused that began to be computed before its key was deleted, or all was cleared, by whichever
        process: it may be of before the change for which it was deleted. That is remembered for an hour.

        Returns:
            How many were taken; they outlive the process when this returns, though some of them may already have
            left again to make room.
        """

    @abstractmethod
    def delete(self, keys: Iterable[bytes]) -> int:
        """Forget entries, and return how many there were."""

    @abstractmethod
    def clear(self, owner: bytes | None = None) -> int:
        """Forget all entries of an owner, or all of the tenant, and return how many there were.

        Nothing of them can be read afterwards, not even by who opens the files.

        Raises:
            UsageError: if the disk or the server cannot be used, so that they may still be there.
        """

    @abstractmethod
    def expire(self) -> int:
        """Forget entries whose time is over, and return how many there were."""

    @property
    @abstractmethod
    def bytes(self) -> int:
        """Bytes that the tenant's entries take, with what keeping them takes."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of entries."""

    @abstractmethod
    def close(self) -> None:
        """Give the disk or the server back; closing twice does nothing."""

    def __enter__(self) -> Tier:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()
