"""Names of keys, owners and groups within a cache."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from ..keys.canonical import encode
from ..keys.digest import Digester, as_int


class Encoded(bytes):
    """Holds the canonical bytes of a key, which need no encoding any more."""

    __slots__ = ()


NAMES = frozenset((str, Encoded))
"""Types of keys that are found as they are."""

OWNERS = 10_000
"""Owners whose digests are remembered."""


class Names:
    """Makes digests of what users write.

    Args:
        digester: makes them.
    """

    def __init__(self, digester: Digester) -> None:
        self.digester = digester
        self._owners: dict[str, int] = {}

    @staticmethod
    def name(key: Any) -> str | bytes:
        """Return what a key is found by within the process: equal for equal keys of equal types alone.

        That is the key itself if it is a text, else its canonical bytes. Python salts the hashes of both, so that no
        choice of keys makes look-ups slow.

        Raises:
            UsageError: if the key has no encoding.
        """
        return key if type(key) in NAMES else encode(key)

    def digest(self, name: str | bytes) -> bytes:
        """Return the digest of a key by its name, which tiers know it by."""
        return self.digester.key(encode(name) if isinstance(name, str) else name)

    def id(self, name: str | bytes) -> int:
        """Return the 64-bit digest of a key by its name."""
        return as_int(self.digest(name))

    def owner(self, owner: Hashable | None) -> int:
        """Return the 64-bit digest of an owner; 0 for nobody."""
        if owner is None:
            return 0
        if type(owner) is not str:  # equal values of several types are several owners, and some have no hash
            return as_int(self.digester.owner(owner))
        known = self._owners.get(owner)
        if known is None:
            known = as_int(self.digester.owner(owner))
            if len(self._owners) >= OWNERS:
                self._owners.clear()
            self._owners[owner] = known
        return known

    def group(self, group: Hashable | None) -> int:
        """Return the 64-bit digest of a group; 0 for none."""
        return as_int(self.digester.group(group))
