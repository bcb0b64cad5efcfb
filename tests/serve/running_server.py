"""A server on loopback, in a thread of the tests' process."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from evocache.serve.api.app import create_app
from evocache.serve.api.entrance.slow_clients import PatientProtocol
from evocache.serve.run import listen
from evocache.serve.service import Service


@contextmanager
def running(service: Service, **settings: Any) -> Iterator[str]:
    """Serve while the block runs; gives the address."""
    with listen("127.0.0.1", 0) as listening:
        config = uvicorn.Config(
            create_app(service, **settings),
            http=PatientProtocol,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=_serve, args=(server, listening), daemon=True)
        thread.start()
        try:
            for _ in range(2000):
                if server.started:
                    break
                threading.Event().wait(0.005)
            assert server.started
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


def _serve(server: uvicorn.Server, listening: socket.socket) -> None:
    asyncio.run(server.serve(sockets=[listening]))
