"""Headers of answers: what browsers may do with them, and what is left of a key's quota."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ...access.links import PATH as LINKS
from ...control.rates import PICTURES, Left

SECURITY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
"""Headers of every answer that says nothing else."""

EXPOSED = "x-request-id, retry-after, x-should-retry, openai-processing-ms, openai-poll-after-ms"
"""Headers that pages of allowed origins may read."""


def security(path: str) -> Mapping[str, str]:
    """Return the headers of an answer at a path; results that links lead to may be shown in pages of others."""
    if path.startswith(f"{LINKS}/"):
        return {**SECURITY, "cross-origin-resource-policy": "cross-origin"}
    return SECURITY


def quota_headers(left: Collection[Left]) -> dict[str, str]:
    """Return what is left of a key's quota of pictures, as OpenAI says it; of its parts, of the one nearest its end.

    Args:
        left: of each part; those of seconds of a worker have no header.
    """
    counted = [one for one in left if one.unit == PICTURES]
    if not counted:
        return {}
    least = min(counted, key=lambda one: one.remaining)
    return {
        "x-ratelimit-limit-requests": f"{least.limit:g}",
        "x-ratelimit-remaining-requests": f"{int(least.remaining)}",
        "x-ratelimit-reset-requests": _duration(least.reset),
    }


def cross_origin_headers(origin: str) -> dict[str, str]:
    """Return what lets a page of an allowed origin read an answer."""
    return {"access-control-allow-origin": origin, "vary": "Origin", "access-control-expose-headers": EXPOSED}


def preflight_headers(origin: str, wanted: str) -> dict[str, str]:
    """Return the answer to a browser that asks whether a page of an allowed origin may send a request.

    Args:
        origin: of the page.
        wanted: headers that it would send.
    """
    return {
        "access-control-allow-origin": origin,
        "vary": "Origin",
        "access-control-allow-methods": "GET, POST, DELETE",
        "access-control-allow-headers": wanted[:1000],
        "access-control-max-age": "600",
    }


def _duration(seconds: float) -> str:
    """Seconds as OpenAI writes them, such as `6m0s` or `1.5s`.

    >>> _duration(360.0), _duration(1.5), _duration(0)
    ('6m0s', '1.5s', '0s')
    """
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    head = (f"{hours:.0f}h" if hours else "") + (f"{minutes:.0f}m" if hours or minutes else "")
    return f"{head}{round(rest, 0 if head else 1):g}s"
