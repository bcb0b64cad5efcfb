"""Headers of entries, and checksums that only who has the secret can make."""

from __future__ import annotations

import hashlib
import hmac
import math
import struct

from ..keys.digest import derive
from .tier import Stored

_HEAD = struct.Struct("<4sdQddBBB")
_FORM = b"evt1"
CHECKSUM = 16
"""Bytes of a checksum."""


class Seal:
    """Binds an entry to its key, its tenant and its installation.

    Args:
        secret: the installation's secret.
        tenant: the tenant's digest.
    """

    def __init__(self, secret: bytes, tenant: bytes) -> None:
        self._base = hashlib.blake2b(tenant, digest_size=CHECKSUM, key=derive(secret, "checksums"), person=b"entry")

    def checksum(self, key: bytes, stored: Stored) -> bytes:
        """Return 16 bytes that depend on the key and on all of the entry."""
        return self._of(key, _header(stored), stored.payload)

    def pack(self, key: bytes, stored: Stored) -> bytes:
        """Return an entry as bytes: checksum, header, payload."""
        header = _header(stored)
        return self._of(key, header, stored.payload) + header + stored.payload

    def unpack(self, key: bytes, content: bytes) -> Stored | None:
        """Return the entry of bytes, or `None` if they are not what was packed under that key."""
        try:
            form, seconds, size, created, expires, *lengths = _HEAD.unpack_from(content, CHECKSUM)
        except struct.error:
            return None
        begin = CHECKSUM + _HEAD.size
        parts = []
        for length in lengths:
            parts.append(content[begin : begin + length])
            begin += length
        checksum = self._of(key, content[CHECKSUM:begin], content[begin:])
        if form != _FORM or not hmac.compare_digest(checksum, content[:CHECKSUM]):
            return None
        format, owner, group = parts
        ends = None if math.isnan(expires) else expires
        return Stored(content[begin:], format.decode("ascii"), seconds, size, created, ends, owner, group)

    def _of(self, key: bytes, header: bytes, payload: bytes) -> bytes:
        hashed = self._base.copy()
        for part in (key, header):
            hashed.update(len(part).to_bytes(8, "little"))
            hashed.update(part)
        hashed.update(payload)
        return hashed.digest()


def _header(stored: Stored) -> bytes:
    format = stored.format.encode("ascii")
    expires = math.nan if stored.expires is None else stored.expires
    lengths = len(format), len(stored.owner), len(stored.group)
    head = _HEAD.pack(_FORM, stored.seconds, stored.size, stored.created, expires, *lengths)
    return head + format + stored.owner + stored.group
