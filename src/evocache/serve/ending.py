"""End a server in order: it says that it is about to end and answers what it has begun, then it listens no more."""

from __future__ import annotations

import asyncio
from typing import Any

from .service import Service

LAST_WORDS = 5
"""Seconds that answers which are made may take to reach their clients."""


def end_in_order(server: Any, service: Service) -> None:
    """Have a server take its first signal as that it is to drain, and a second one as that it is to end at once.

    While it drains it listens: `/readyz` says 503, new requests are refused with 503, what was begun is answered. When
    nothing is left, or `settings.drain` seconds are over, it ends. It ends as well if none of the workers can start.

    Args:
        server: of uvicorn, not started yet; called within its loop.
        service: what drains.
    """
    loop, stop = asyncio.get_running_loop(), server.handle_exit
    service.when_unstartable = lambda: ends.append(loop.create_task(_end_once_started(server)))
    ends: list[asyncio.Task[None]] = []
    draining: list[asyncio.Task[None]] = []

    def drain(number: int) -> None:
        if draining:
            stop(number, None)
            return
        draining.append(loop.create_task(service.drain()))
        draining[0].add_done_callback(lambda _: stop(number, None))

    server.handle_exit = lambda number, frame: loop.call_soon_threadsafe(drain, number)


async def _end_once_started(server: Any) -> None:
    """End a server, which forgets what it has begun if it is told to before it has started."""
    while not server.started:
        await asyncio.sleep(0.01)
    server.should_exit = True
