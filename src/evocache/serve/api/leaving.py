"""Work that ends with the client that it is done for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

Result = TypeVar("Result")

LEFT = 499
"""The status of an answer that nobody waits for any more, in logs."""


class ClientLeftError(Exception):
    """Nobody waits for the answer any more."""


async def while_there(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Do work as long as the client of a request waits for it; its body has been read.

    Raises:
        ClientLeftError: if the client left; the work was cancelled then, and has ended.
    """
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_wait_for_leave(request))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientLeftError
        return await working
    finally:
        watching.cancel()
        if not working.done():
            working.cancel()
            await asyncio.wait({working})
            if not working.cancelled():
                working.exception()  # seen: who it was for is gone


async def _wait_for_leave(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
