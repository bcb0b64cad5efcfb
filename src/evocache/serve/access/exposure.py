"""Whom a server can be reached by: this machine alone, or others, and what it has to have then."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from ...errors import ServeError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Names of this machine for itself."""

ANY = "*"
"""Stands for all names."""


@dataclass(frozen=True)
class Exposure:
    """Whom a server can be reached by.

    A server that listens on loopback, and has no names besides, is for this machine alone. One that is given names of
    hosts is taken to stand behind a proxy, so that whoever the proxy lets through reaches it.

    Attributes:
        listens: address that it listens at.
        names: of hosts that it goes by besides; `*` for any.
        origins: of pages of other sites that may ask, such as `https://studio.example`.
    """

    listens: str = "127.0.0.1"
    names: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    @property
    def local(self) -> bool:
        """Whether this machine alone reaches it."""
        return is_loopback(self.listens) and not self.names

    def knows(self, host: str) -> bool:
        """Return whether it goes by the name of a host.

        Names are what rebinding of DNS lies about: only those are taken that it was told. Addresses cannot be rebound,
        so that a server which others reach takes any of them.
        """
        if host in LOOPBACK or host in self.names or host == self.listens:
            return True
        return bool(host) and (ANY in self.names or (not self.local and _is_address(host)))


def exposure_of(listens: str, names: Iterable[str] = (), origins: Iterable[str] = ()) -> Exposure:
    """Return the exposure of a server, names in lower case.

    Raises:
        ServeError: if an origin is none.
    """
    allowed = frozenset(origin.lower().rstrip("/") for origin in origins)
    for origin in allowed:
        scheme, found, rest = origin.partition("://")
        if scheme not in ("http", "https") or not found or not rest or set(rest) & set("/?#@*"):
            raise ServeError(f"the origin {origin!r}", "one such as https://studio.example", "leave the path out")
    return Exposure(listens.lower(), frozenset(name.lower().strip("[]") for name in names), allowed)


def check_exposure(exposure: Exposure, has_keys: bool, insecure: bool) -> None:
    """Refuse to serve strangers without keys.

    Raises:
        ServeError: if others reach the server, there are no keys, and nobody insists.
    """
    if exposure.local or has_keys or insecure:
        return
    where = exposure.listens if not is_loopback(exposure.listens) else ", ".join(sorted(exposure.names))
    raise ServeError(
        f"a server that others reach ({where}) without API keys",
        "a key, so that not everybody may use it",
        "make one with `evocache keys create`, or leave it open to all with --insecure",
    )


def is_loopback(host: str) -> bool:
    """Return whether an address is this machine's for itself.

    >>> is_loopback("127.0.0.1"), is_loopback("::ffff:127.0.0.1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
