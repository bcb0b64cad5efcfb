"""Which paths need which scope of a key; what is not named here needs `inference`."""

from __future__ import annotations

from ..requests.identity import ADMIN, INFERENCE

OPEN = frozenset({"/", "/operator", "/healthz", "/readyz", "/openapi.json", "/favicon.ico"})
"""Paths that need no key, also where there are keys: whether the server lives, what it takes, and its pages."""

OPEN_BELOW = ("/web/", "/v1/results/")
"""The same of all paths below: files of pages, and links, which are signed."""

ADMIN_BELOW = ("/metrics", "/v1/admin")
"""Paths of the operator's, and all below them."""


def scope_of(path: str) -> str | None:
    """Return the scope that a path needs; None if it is open.

    >>> scope_of("/v1/models"), scope_of("/metrics"), scope_of("/healthz")
    ('inference', 'admin', None)
    """
    if path in OPEN or path.startswith(OPEN_BELOW):
        return None
    plain = "/" + path.lstrip("/")
    return ADMIN if any(plain == one or plain.startswith(f"{one}/") for one in ADMIN_BELOW) else INFERENCE
