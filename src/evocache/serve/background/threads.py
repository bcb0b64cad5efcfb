"""Work that is never left half done, by threads and by coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

Given = ParamSpec("Given")
Found = TypeVar("Found")


async def in_thread(work: Callable[Given, Found], /, *arguments: Given.args, **named: Given.kwargs) -> Found:
    """Have work done by a thread, and return what it returns.

    Who is cancelled meanwhile is so once the work is over: a thread cannot be stopped, and what it still writes would
    come after what is written next.
    """
    return await to_its_end(asyncio.to_thread(work, *arguments, **named))


async def to_its_end(work: Coroutine[Any, Any, Found]) -> Found:
    """Do work to its end, and return what it returns; who is cancelled meanwhile is so once the work is over."""
    working = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not working.done():
        try:
            await asyncio.wait({working})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not working.cancelled():
            working.exception()  # it is of no use to anybody
        raise cancelled
    return working.result()
