"""Pickles: only where a user asks for them, and only with a signature that is checked before a byte is read."""

from __future__ import annotations

import hashlib
import hmac
import pickle
from typing import Any

from ....errors import UsageError
from ...keys.digest import derive

_SIGNATURE = 32
"""Bytes of HMAC-SHA256 (RFC 2104) before a pickle."""


class PickleCodec:
    """Everything that pickle takes.

    Reading a pickle runs what it says: whoever can write one can run programs. So each is signed by the secret, and
    none is read whose signature is another. Tiers that machines share take no pickles at all.

    Args:
        secret: the installation's secret.
    """

    name = "pickle"

    def __init__(self, secret: bytes) -> None:
        self._key = derive(secret, "pickles")

    def encodes(self, value: Any) -> bool:
        """Return whether pickle takes it."""
        try:
            pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        except Exception:
            return False
        return True

    def dumps(self, value: Any) -> bytes:
        """Return a signature and a pickle."""
        content = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        return self._sign(content) + content

    def loads(self, payload: bytes) -> Any:
        """Return the value.

        Raises:
            UsageError: if the signature is not this installation's; nothing is read then.
        """
        signature, content = payload[:_SIGNATURE], payload[_SIGNATURE:]
        if not hmac.compare_digest(signature, self._sign(content)):
            mend = "delete the cache, and find out who wrote to it"
            raise UsageError("a pickle with another signature", "one that this installation signed", mend)
        return pickle.loads(content)

    def _sign(self, content: bytes) -> bytes:
        return hmac.digest(self._key, content, hashlib.sha256().name)
