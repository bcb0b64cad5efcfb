"""Addresses of results that need no key: signed, and valid for a while."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlencode

PATH = "/v1/results"

KEEP = 3600.0
"""Seconds that a link is valid."""

_VARIANT = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_ID = re.compile(r"[a-z]+_[0-9a-f]{32}")
_DIGITS = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"[0-9]{1,12}")


class Links:
    """Signs links and checks them.

    A link holds a result's id and variant, when it ends, and a mark of whose it is: names of tenants and owners do not
    stand in it, and a result that has become another's is not given out by it.

    Args:
        secret: of the installation; servers that share results share it.
        keep: seconds that a link is valid.
        clock: returns seconds since 1970.
    """

    def __init__(self, secret: bytes, *, keep: float = KEEP, clock: Callable[[], float] = time.time) -> None:
        self._key = hmac.digest(secret, b"evocache links 1", "sha256")
        self._keep, self._clock = keep, clock

    def sign(self, id: str, variant: str, tenant: str, owner: str) -> str:
        """Return the path and query of a link to a result; whoever has it can read that result until it ends."""
        expires, mark = str(int(self._clock() + self._keep)), self._mark(tenant, owner)
        query = {"expires": expires, "mark": mark, "signature": self._signature(id, variant, expires, mark)}
        return f"{PATH}/{quote(id, safe='')}/{quote(variant, safe='')}?{urlencode(query)}"

    def check(self, id: str, variant: str, query: Mapping[str, str]) -> bool:
        """Return whether a link was signed here and is valid; nothing else is looked at before that."""
        expires, mark, given = (query.get(name, "") for name in ("expires", "mark", "signature"))
        if not (_ID.fullmatch(id) and _VARIANT.fullmatch(variant) and _TIME.fullmatch(expires)):
            return False
        if not (_DIGITS.fullmatch(mark) and _DIGITS.fullmatch(given)):
            return False
        right = hmac.compare_digest(given, self._signature(id, variant, expires, mark))
        return right and self._clock() < int(expires)

    def is_of(self, mark: str, tenant: str, owner: str) -> bool:
        """Return whether the mark of a link is that of a result's owner."""
        return hmac.compare_digest(mark, self._mark(tenant, owner))

    def _mark(self, tenant: str, owner: str) -> str:
        return self._digest(b"owner", tenant, owner)

    def _signature(self, id: str, variant: str, expires: str, mark: str) -> str:
        return self._digest(b"link", id, variant, expires, mark)

    def _digest(self, what: bytes, *parts: str) -> str:
        """The keyed digest of texts; each with its length, so that none runs into the next."""
        digest = hmac.new(self._key, what, hashlib.sha256)
        for part in parts:
            encoded = part.encode("utf-8", "surrogatepass")
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
        return digest.hexdigest()
