"""What pages of other sites may not do: they reach servers on loopback through the browser of who looks at them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from ...access.exposure import Exposure
from ...access.links import PATH as LINKS
from ..errors import ApiError

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:\[\]@/?#\\]+)(?::[0-9]{1,5})?")

SAFE = ("GET", "HEAD")
"""Methods that change nothing."""

HOME = ("same-origin", "none")
"""What browsers say of requests of our own pages, and of addresses that a person typed in."""


def host_name(host: str) -> str:
    """Return the name in a `Host` header, in lower case, without port and brackets; empty if it is none.

    >>> host_name("[::1]:8000"), host_name("LocalHost:80"), host_name("localhost@evil")
    ('::1', 'localhost', '')
    """
    found = _HOST.fullmatch(host)
    return found[1].strip("[]").lower() if found else ""


def check_browser(exposure: Exposure, method: str, path: str, headers: Headers) -> str | None:
    """Check that a request was not sent by a page that it should not be sent by.

    - A name that is not this server's: a page's own name now leads to this machine (DNS rebinding).
    - An origin that is not the host itself: a page of another site, or of another port.
    - `Sec-Fetch-Site`, where browsers send no origin: a picture, a script or a form of another site. A person may
      follow a link to here, and links to results are for whoever has them.
    - A browser that tells neither cannot be asked, so that it may only read.

    Returns:
        The origin, if it is one of another site that the operator allowed.

    Raises:
        ApiError: 403, if it was.
    """
    hosts, origins = headers.getlist("host"), headers.getlist("origin")
    name = host_name(hosts[0]) if len(hosts) == 1 else ""
    if not exposure.knows(name):
        said = f"this server does not go by the name {name!r}; its operator can allow it with --allow-host"
        raise ApiError(403, said, code="unknown_host")
    if origins:
        origin = origins[0].lower()
        if len(origins) == 1 and origin in exposure.origins:
            return origin
        if len(origins) > 1 or not _is_of(origin, hosts[0].lower()):
            raise _foreign()
        return None
    site = headers.get("sec-fetch-site")
    if site is not None:
        if site not in HOME and not _may_come_from_elsewhere(method, path, headers):
            raise _foreign()
    elif method not in SAFE and headers.get("user-agent", "").startswith("Mozilla/"):
        raise _foreign()
    return None


def _is_of(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc == host


def _may_come_from_elsewhere(method: str, path: str, headers: Headers) -> bool:
    if method not in SAFE:
        return False
    followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return followed or path.startswith(f"{LINKS}/")


def _foreign() -> ApiError:
    said = "requests of pages of other sites are not taken; the operator can allow an origin with --allow-origin"
    return ApiError(403, said, code="unknown_origin")
