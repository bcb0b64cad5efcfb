"""What an eviction policy is: the contract that the cache, replays and shadow caches share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar


@dataclass(slots=True)
class Item:
    """What a policy knows of an entry: figures, never its key's text or its value.

    Attributes:
        key: 64-bit digest of the key.
        size: bytes that it takes, from 1.
        seconds: what computing its value took.
        owner: digest of who asked; 0 where nobody is named.
        group: digest of what it is about, such as a prompt's subject; 0 where it belongs to none.
    """

    key: int
    size: int
    seconds: float = 1.0
    owner: int = 0
    group: int = 0


class EvictionPolicy(ABC):
    """Decides which entries stay within a number of bytes.

    The cache tells it of each request, in order: `hit` where the key is held, `add` where it was computed. Time is the
    number of requests so far, which is passed in: a shadow cache that sees one key in ten is told the same time as the
    cache. Room is made before the newcomer is inserted, so that a newcomer is never what keeps the old in place.

    Args:
        max_bytes: bytes that may be held; entries larger than that are never kept.
        seed: seeds what the policy draws.

    Class attributes: `name` as used in specs, `summary` one line, `paper` its source.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    paper: ClassVar[str]

    def __init__(self, max_bytes: int, *, seed: int = 0) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        """Bytes that are held."""

    @abstractmethod
    def __contains__(self, key: object) -> bool: ...

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def hit(self, key: int, now: int, owner: int = 0) -> None:
        """Note that a key that is held was asked for.

        Args:
            key: its digest; one that is not held (it left meanwhile) is passed over.
            now: number of requests so far, this one included.
            owner: digest of who asked.
        """

    @abstractmethod
    def add(self, item: Item, now: int) -> list[int]:
        """Make room for an entry that is not held, and hold it if it is worth that.

        Args:
            item: the newcomer; `item.owner` asked for it.
            now: number of requests so far, this one included.

        Returns:
            Keys that leave, in order; the newcomer's own where it is not kept (one that is larger than `max_bytes`
            never is). `bytes <= max_bytes` holds afterwards.
        """

    @abstractmethod
    def remove(self, key: int) -> None:
        """Forget an entry that was withdrawn, as by a user or when its time was over, with all that is known of it.

        A key that is not held is forgotten as well, as in lists of those that left; it need not be known.
        """

    def clear(self) -> None:
        """Forget all entries, with all that is known of them."""
        for item in list(self.items()):
            self.remove(item.key)

    @abstractmethod
    def items(self) -> Iterator[Item]:
        """Yield what is held, those that are to leave first at the beginning, as far as the policy knows."""

    def resize(self, max_bytes: int, now: int) -> list[int]:
        """Hold no more than another number of bytes from now on, and return the keys that leave for it."""
        self.max_bytes = max_bytes
        gone: list[int] = []
        for item in list(self.items()):
            if self.bytes <= max_bytes:
                break
            self.evict(item.key)
            gone.append(item.key)
        return gone

    def evict(self, key: int) -> None:
        """Let an entry go to make room; what is known of it may be kept, as in a list of those that left."""
        self.remove(key)

    def expire(self, key: int) -> None:
        """Let an entry go whose time is over, as any policy would have to; what is known of it may be kept."""
        self.evict(key)
