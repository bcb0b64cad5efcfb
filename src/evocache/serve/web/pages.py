"""The pages `/` and `/operator`, and the files that they load: no build step, no other host, nothing inline."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

router = APIRouter(include_in_schema=False)

STATIC = Path(__file__).parent / "static"

TYPES = MappingProxyType(
    {
        ".html": "text/html; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
    }
)

POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""What a page may do: load from this server alone, and make no markup or script of any text."""

HEADERS = MappingProxyType({"content-security-policy": POLICY, "cache-control": "no-cache"})


class StaticFile(NamedTuple):
    """A file as it is sent."""

    content: bytes
    type: str
    tag: str


@cache
def static_files() -> MappingProxyType[str, StaticFile]:
    """Return all files by their paths below `static`; read once, so that no path of a request reaches the disk."""
    found = {}
    for path in sorted(STATIC.rglob("*")):
        if path.suffix in TYPES:
            content = path.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            found[path.relative_to(STATIC).as_posix()] = StaticFile(content, TYPES[path.suffix], tag)
    return MappingProxyType(found)


@router.get("/")
async def play(request: Request) -> Response:
    """Send the page to play with the models."""
    return _send("play/page.html", request)


@router.get("/operator")
async def operator(request: Request) -> Response:
    """Send the page that shows what the server does; its figures need a key where there are keys."""
    return _send("operator/page.html", request)


@router.get("/web/{path:path}")
async def file(path: str, request: Request) -> Response:
    """Send a file that a page loads."""
    return _send(path, request)


def _send(path: str, request: Request) -> Response:
    found = static_files().get(path)
    if found is None:
        raise HTTPException(404, "there is no such file")
    headers = {**HEADERS, "etag": found.tag}
    if found.tag in [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers=headers, media_type=found.type)
