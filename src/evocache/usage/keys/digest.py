"""Keyed digests of keys, owners and groups: they tell equal ones from others, and nothing else to who lacks the secret.

BLAKE2b with a key is a pseudorandom function (RFC 7693); each use has a key of its own.
"""

from __future__ import annotations

import hashlib
from typing import Any

from ...errors import UsageError
from .canonical import encode

DIGEST_BYTES = 16
"""Bytes of a digest: among 2^40 keys, two are equal with a probability of 2^-49."""


def derive(secret: bytes, purpose: str) -> bytes:
    """Return a key of 32 bytes for one purpose.

    Args:
        secret: the installation's secret, from 16 to 64 bytes.
        purpose: what for, as `"checksums"`; keys of different purposes say nothing of one another.

    Raises:
        UsageError: if the secret is too short or too long.
    """
    if not isinstance(secret, bytes) or not 16 <= len(secret) <= 64:
        given = f"a secret of {len(secret)} bytes" if isinstance(secret, bytes) else f"a {type(secret).__name__}"
        raise UsageError(given, "from 16 to 64 bytes", "use os.urandom(32), or leave `secret` out")
    return hashlib.blake2b(purpose.encode(), digest_size=32, key=secret, person=b"evocache derive").digest()


class Digester:
    """Digests of one tenant's keys, owners and groups.

    Equal names give different digests for another tenant, and as an owner and as a group.

    Args:
        secret: the installation's secret.
        tenant: whose cache it is.
        size: bytes of a digest, from 16 to 32.

    Raises:
        UsageError: if the secret or the size is too short or too long.
    """

    def __init__(self, secret: bytes, tenant: str | None = None, *, size: int = DIGEST_BYTES) -> None:
        if not 16 <= size <= 32:
            raise UsageError(f"digests of {size} bytes", "from 16 to 32", f"leave `size` out for {DIGEST_BYTES}")
        key = derive(secret, f"tenant {encode(tenant).hex()}")
        self._key, self._owner, self._group = (
            hashlib.blake2b(digest_size=size, key=key, person=person) for person in (b"key", b"owner", b"group")
        )
        self.tenant = hashlib.blake2b(digest_size=size, key=key, person=b"tenant").digest()
        """The tenant's own digest."""

    def key(self, encoded: bytes) -> bytes:
        """Return the digest of an encoded key."""
        hashed = self._key.copy()
        hashed.update(encoded)
        return hashed.digest()

    def owner(self, owner: Any) -> bytes:
        """Return the digest of an owner, such as a user's name; empty for `None`.

        Raises:
            UsageError: if the owner has no encoding.
        """
        return _named(self._owner, owner)

    def group(self, group: Any) -> bytes:
        """Return the digest of a group, such as a prompt's subject; empty for `None`.

        Raises:
            UsageError: if the group has no encoding.
        """
        return _named(self._group, group)


def _named(base: Any, name: Any) -> bytes:
    if name is None:
        return b""
    hashed = base.copy()
    hashed.update(encode(name))
    digest: bytes = hashed.digest()
    return digest


def as_int(digest: bytes) -> int:
    """Return the 64-bit number that policies know a digest by: 0 for the empty one, from 1 for others."""
    return (int.from_bytes(digest[:8], "little") or 1) if digest else 0
