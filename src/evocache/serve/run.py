"""Run a server: listen, serve, and end in order when told to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from ..errors import ServeError
from ..extras import optional
from .settings import Settings

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Names of this machine for itself."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address.

    Raises:
        ServeError: if that address is taken, or none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host, port))
        server.listen(2048)
    except OSError as error:
        server.close()
        mend = "choose another with --port; 0 takes a free one"
        raise ServeError(f"{host}:{port} ({error.strerror})", "an address of this machine that is free", mend) from None
    return server


def run(settings: Settings, told: Callable[[str], None] = lambda url: None) -> None:
    """Serve until told to end by SIGTERM or SIGINT; what runs then may take `settings.drain` seconds to end.

    Args:
        settings: of the server.
        told: is told the address when it listens; models are loaded meanwhile.

    Raises:
        ServeError: if the address cannot be listened at.
        DependencyError: if the extra `[serve]` is not installed.
    """
    optional("fastapi")
    optional("uvicorn")
    with listen(settings.host, settings.port) as server:
        host, port = server.getsockname()[:2]
        told(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        asyncio.run(_serve(settings, server))


async def _serve(settings: Settings, listening: socket.socket) -> None:
    uvicorn: Any = optional("uvicorn")
    from .api.app import create_app
    from .start import create_service
    from .web import pages, state

    config = uvicorn.Config(
        create_app(create_service(settings), LOOPBACK, (pages.router, state.router)),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, round(settings.drain)),
    )
    await uvicorn.Server(config).serve(sockets=[listening])
