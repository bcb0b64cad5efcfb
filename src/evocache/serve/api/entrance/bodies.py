"""How large bodies are, and how long they take: each has a place at the door from its first byte to its last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from ...control.refusal import Refused
from ...control.ticket import Ticket
from ..errors import ApiError, of_refusal

JSON_BYTES = 1 << 20
"""Most bytes of a body of JSON: it is read in one piece, and holds words and numbers."""

PART = 1 << 20
"""Bytes that a place grows by as a body comes: what it says that it is long costs who says it nothing."""

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
        self._is_form = kind == FORM
        self._most = most if self._is_form else min(most, JSON_BYTES)
        if length is not None and length > self._most:
            raise ApiError(413, too_large(self._most), code="body_too_large", headers={"connection": "close"})
        self._known, self._receive, self._enter = length, receive, enter
        self._ticket: Ticket | None = None
        self._count = self._booked = 0
        self._ends: float | None = None
        self._over = not self._has_one

    def __enter__(self) -> Body:
        """Take a place for its first part.

        Raises:
            Refused: if there is none.
        """
        if self._has_one:
            self._booked = self._next()
            self._ticket = self._enter(self._booked)
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

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
        while self._count > self._booked:
            self._grow()
        if not message.get("more_body", False):
            self._over = True
            if not self._is_form:
                self.leave()
        return message

    def _grow(self) -> None:
        more = self._next()
        assert self._ticket is not None, "it has a place as long as more of it comes"
        try:
            self._ticket.grow(more)
        except Refused as error:  # in a form that routes which read a body pass on
            raise HTTPException(error.status, str(error), of_refusal(error).headers) from None
        self._booked += more

    def _next(self) -> int:
        """Bytes of its next part."""
        return PART if self._known is None else max(1, min(PART, self._known - self._booked))

    def leave(self) -> None:
        """Give its place back; that of a form is held until its pictures are unpacked, or its answer is over."""
        if self._ticket is not None:
            self._ticket.leave()
            self._ticket = None


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
