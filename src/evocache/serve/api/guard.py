"""What every request passes before any route: its host and origin, its type and size, and who it is from."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..requests.identity import Identity
from .errors import ApiError

SECURITY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
"""Headers of every answer."""

Identify = Callable[[Scope, Headers], Identity]
"""Tells who a request is from, or raises an ApiError."""


class Guard:
    """Lets requests through to an application that may come in.

    Pages of other sites, and names that others give this address (DNS rebinding), are kept out also on loopback: the
    host has to be one of this server's, an origin has to be the host, and bodies have to be JSON or forms.

    Args:
        app: the application.
        hosts: names that this server goes by; `*` takes any.
        identify: tells who asks.
        most: bytes of a body.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str], identify: Identify, most: int) -> None:
        self._app, self._hosts, self._identify, self._most = app, hosts, identify, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        name = f"req_{secrets.token_hex(16)}"

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = name
                for header, value in SECURITY.items():
                    headers.setdefault(header, value)
            await send(message)

        headers = Headers(scope=scope)
        try:
            self._check(scope, headers)
            scope.setdefault("state", {}).update(identity=self._identify(scope, headers), request_id=name)
        except ApiError as error:
            await error.response()(scope, receive, sending)
            return
        count = 0

        async def receiving() -> Message:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count > self._most:
                raise HTTPException(413, f"a body of more than {self._most} bytes")
            return message

        await self._app(scope, receiving, sending)

    def _check(self, scope: Scope, headers: Headers) -> None:
        host = headers.get("host", "")
        if "*" not in self._hosts and host_name(host) not in self._hosts:
            raise ApiError(403, f"this server is not {host_name(host)!r}", code="unknown_host")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise ApiError(403, "requests of pages of other sites are not taken", code="unknown_origin")
        if scope["method"] in ("POST", "PUT", "PATCH"):
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind not in ("application/json", "multipart/form-data"):
                said = f"a body of type {kind!r}; application/json is taken, and multipart/form-data for files"
                raise ApiError(415, said, code="unsupported_media_type")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self._most:
            raise too_large(self._most)


def too_large(most: int) -> ApiError:
    """Return the refusal of a body."""
    return ApiError(413, f"a body of more than {most} bytes", code="body_too_large")


def host_name(host: str) -> str:
    """Return the name in a `Host` header, without its port."""
    return (host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host).strip("[]").lower()


def anybody(scope: Scope, headers: Mapping[str, str]) -> Identity:
    """Return who asks a server that has no keys."""
    return Identity()
