"""Names of keys, owners and groups within a cache."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, TypeAlias

from ...errors import UsageError, short
from ..keys.canonical import encode
from ..keys.digest import Digester, as_int

Name: TypeAlias = str | bytes
"""What a key is found by within the process."""


class Encoded(bytes):
    """Holds the canonical bytes of a key, which need no encoding any more."""

    __slots__ = ()


class Spelled(Encoded):
    """Holds the canonical bytes of a call's key, and the call as a text, which is recorded where that is agreed to."""

    def __new__(cls, encoded: bytes, text: str) -> Spelled:
        """Make it of bytes and the text, which is no part of the key."""
        made = super().__new__(cls, encoded)
        made.text = text
        return made

    text: str


NAMES = frozenset((str, Encoded, Spelled))
"""Types of keys that are found as they are."""


def checked_tenant(tenant: Any) -> str | None:
    """Return a tenant's name as a plain text; None for none.

    Raises:
        UsageError: if it is no text: tiers, records and the command line know tenants by texts.
    """
    if tenant is None:
        return None
    if not isinstance(tenant, str):
        given = f"tenant={short(tenant)} of type {type(tenant).__name__}"
        mend = 'make it a text, such as tenant=lambda arguments: str(arguments["firm"])'
        raise UsageError(given, 'a text: 1 and "1" would be two tenants of one name', mend)
    return str.__str__(tenant)


OWNERS = 10_000
"""Owners whose digests are remembered."""


LONGEST = 256
"""Characters of an owner's name that is remembered at the most."""


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
            if len(owner) <= LONGEST:
                self._owners[owner] = known
        return known

    def forget_owner(self, owner: Hashable | None) -> None:
        """Forget the name of an owner; of None those of all."""
        if owner is None:
            self._owners.clear()
        elif type(owner) is str:
            self._owners.pop(owner, None)

    def group(self, group: Hashable | None) -> int:
        """Return the 64-bit digest of a group; 0 for none."""
        return as_int(self.digester.group(group))
