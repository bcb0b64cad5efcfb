"""How large bodies are, and how long they take: each has a place at the door from its first byte to its last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from ...control.admission import Ticket
from ...control.refusal import Refused
from ..errors import ApiError, of_refusal

JSON_BYTES = 1 << 20
"""Most bytes of a body of JSON: it is read in one piece, and holds words and numbers."""

PART = 1 << 20
"""Bytes that a place is taken for where a body does not say how long it is."""

PATIENCE, SLOWEST = 20.0, 32_768.0
"""Seconds that any body may take, and bytes a second that it has to come with besides."""

WRITES = ("POST", "PUT", "PATCH")

JSON, FORM = "application/json", "multipart/form-data"

Enter = Callable[[int], Ticket]
"""Takes a place for so many bytes, or raises Refused."""


class Body:
    """The body of a request, within limits; a context manager, which gives the places back.

    Args:
        method: of the request.
        headers: of the request.
        most: bytes of a form.
        receive: of ASGI.
        enter: takes places.

    Raises:
        ApiError: if it is of another type, or says that it is too large.
    """

    def __init__(self, method: str, headers: Headers, most: int, receive: Receive, enter: Enter) -> None:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        length = _length(headers)
        self._has_one = length is None or length > 0
        if method in WRITES and kind not in (JSON, FORM) and (self._has_one or kind):
            said = f"a body of type {kind!r}; {JSON} is taken, and {FORM} for files"
            raise ApiError(415, said, code="unsupported_media_type")
        self._most = most if kind == FORM else min(most, JSON_BYTES)
        if length is not None and length > self._most:
            raise ApiError(413, too_large(self._most), code="body_too_large", headers={"connection": "close"})
        self._known, self._receive, self._enter = length, receive, enter
        self._tickets: list[Ticket] = []
        self._count = 0
        self._ends: float | None = None
        self._over = not self._has_one

    def __enter__(self) -> Body:
        """Take a place for what it says that it is long.

        Raises:
            Refused: if there is none.
        """
        if self._has_one:
            self._tickets.append(self._enter(PART if self._known is None else self._known))
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    async def receive(self) -> Message:
        """Return the next message of ASGI.

        Raises:
            HTTPException: 413 or 408, if it is too large or too slow; 429 if it grows, and there is no room for it.
        """
        if self._over:
            return await self._receive()
        now = asyncio.get_running_loop().time()
        self._ends = now + PATIENCE if self._ends is None else self._ends
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, self._ends + self._count / SLOWEST - now))
        except (asyncio.TimeoutError, TimeoutError):
            raise HTTPException(408, "the body came too slowly", {"connection": "close"}) from None
        self._count += len(message.get("body", b""))
        if self._count > self._most:
            raise HTTPException(413, too_large(self._most), {"connection": "close"})
        while self._known is None and self._count > len(self._tickets) * PART:
            self._grow()
        if not message.get("more_body", False):
            self._over = True
            self._leave()
        return message

    def _grow(self) -> None:
        try:
            self._tickets.append(self._enter(PART))
        except Refused as error:  # in a form that routes which read a body pass on
            raise HTTPException(error.status, str(error), of_refusal(error).headers) from None

    def _leave(self) -> None:
        for ticket in self._tickets:
            ticket.leave()
        self._tickets = []


def too_large(most: int) -> str:
    """Return what is said of a body that is too large."""
    return f"a body of more than {most} bytes"


def _length(headers: Headers) -> int | None:
    """Bytes of a body, as it says; None if it comes without saying so.

    Raises:
        ApiError: if what it says is no number.
    """
    if "transfer-encoding" in headers:
        return None
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ApiError(400, "a content-length that is no number", code="invalid_header")
    return int(text)
