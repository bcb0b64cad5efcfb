"""An API key: what is known of it, and the secret that only its holder has."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field

from ...errors import InputError, short
from ..control.rates import Quota
from ..requests.identity import ADMIN, INFERENCE, Identity

PREFIX = "evo_"
"""What every secret begins with, so that it is known for one where it was left lying."""

SECRET_BYTES = 32
"""Random bytes of a secret."""

NAME = 128
"""Most characters of a name of a key or a tenant."""

SCOPES = (INFERENCE, ADMIN)


@dataclass(frozen=True)
class ApiKey:
    """What is known of a key; not its secret.

    Attributes:
        id: names it in lists, logs and figures.
        tenant: whose data its holder sees.
        name: what people call it.
        scopes: what it is for: `inference`, `admin`.
        created: in seconds since 1970, as are all times.
        expires: when it is not valid any more; None if it is valid for ever.
        revoked: when it was revoked; None if it was not.
        quota: what its holder may ask for.

    Raises:
        InputError: if a name is empty or too long, or a scope is none.
    """

    id: str
    tenant: str
    name: str
    scopes: frozenset[str]
    created: float
    expires: float | None = None
    revoked: float | None = None
    quota: Quota = field(default_factory=Quota)

    def __post_init__(self) -> None:
        for what, text in (("tenant", self.tenant), ("name", self.name)):
            if not (0 < len(text) <= NAME and text.isprintable()):
                raise InputError(
                    f"the {what} {short(text)} of a key",
                    f"1 to {NAME} characters that can be printed",
                    "choose a shorter one",
                )
        if not self.scopes or not self.scopes <= set(SCOPES):
            given = ", ".join(sorted(self.scopes)) or "no scopes"
            raise InputError(f"{given} of a key", " or ".join(SCOPES), "name one of them, or both")

    @property
    def identity(self) -> Identity:
        """Who asks with it."""
        return Identity(self.tenant, self.id, scopes=self.scopes)

    def is_valid(self, now: float) -> bool:
        """Return whether it lets its holder in."""
        return self.revoked is None and (self.expires is None or now < self.expires)


def new_secret() -> str:
    """Return a secret of 256 random bits, such as `evo_rDk1...`, which cannot be guessed and is stored nowhere."""
    return PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(SECRET_BYTES)).rstrip(b"=").decode()


def new_id() -> str:
    """Return an id of a key; it is no secret."""
    return f"key_{secrets.token_hex(8)}"


def hash_secret(secret: str) -> bytes:
    """Return what is stored of a secret: 32 bytes of SHA-256.

    A slow hash, as passwords need it, would gain nothing: nobody can try 2^256 secrets.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
