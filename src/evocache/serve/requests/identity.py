"""Who asks: a tenant, a key of it, and a user that the key's holder names."""

from __future__ import annotations

from dataclasses import dataclass

from ..control.shares import Owner

INFERENCE, ADMIN = "inference", "admin"


@dataclass(frozen=True)
class Identity:
    """Who asks.

    Attributes:
        tenant: whose data it is: tenants share nothing.
        key: id of the API key; empty where the server has none.
        user: whom the request names; unverified, so that it can part what the key's holder has, and nothing else.
        scopes: what the key may do: `inference`, `admin`.
    """

    tenant: str = "local"
    key: str = ""
    user: str = ""
    scopes: frozenset[str] = frozenset({INFERENCE, ADMIN})

    def as_owner(self) -> Owner:
        """Return whose its requests are, as shares and quotas are counted."""
        return Owner(self.tenant, self.key, self.user)

    @property
    def owner(self) -> str:
        """Whose requests, results and shares these are: of a user under a key."""
        return f"{self.key}/{self.user}" if self.user else self.key
