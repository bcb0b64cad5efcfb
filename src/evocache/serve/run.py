"""Run a server: listen, serve, and end in order when told to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ..errors import ServeError
from ..extras import optional
from .access.exposure import check_exposure
from .access.key import ApiKey
from .access.key_store import KeyStore
from .database.database import Database
from .database.place import FILE, url_of
from .ending import LAST_WORDS, end_in_order
from .observe.logs import set_up_logs
from .observe.traces import Traces, make_traces
from .reuse.settings import LEAST
from .service import Service
from .settings import Settings

HEAD_BYTES = 32 << 10
"""Most bytes of the head of a request."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address.

    Raises:
        ServeError: if that address is taken, or none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio turns Nagle off where it says so
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

    If none of the workers can start, for their first time, it ends as well.

    Args:
        settings: of the server.
        told: is told the address when it listens; models are loaded meanwhile.

    Raises:
        ServeError: if the address cannot be listened at, or others than this machine reach it, there are no keys, and
            `settings.insecure` is not set.
        StoreError: if the database cannot be opened.
        DependencyError: if the extra `[serve]` is not installed.
        Error: of evocache, as a worker raises it, if none of them can start.
    """
    settings = prepare(settings)
    set_up_logs(settings.log)
    with listen(settings.host, settings.port) as server:
        host, port = server.getsockname()[:2]
        told(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        asyncio.run(_serve(settings, server))


def prepare(settings: Settings) -> Settings:
    """Return settings with room for all who have keys, once it is sure that they may be served.

    Raises:
        ServeError: if others than this machine reach the server, there are no keys, and `settings.insecure` is not set.
        StoreError: if the database cannot be opened.
        DependencyError: if the extra `[serve]` is not installed.
    """
    optional("fastapi")
    optional("uvicorn")
    keys = _keys_of(settings)
    check_exposure(settings.exposure, bool(keys), settings.insecure)
    return give_room(settings, keys)


def _keys_of(settings: Settings) -> list[ApiKey]:
    """All keys; a database that is not there yet has none, and is not made for that."""
    if settings.folder is None or (settings.database is None and not (settings.folder / FILE).exists()):
        return []
    with Database(url_of(settings.folder, settings.database)) as database:
        return KeyStore(database).list()


def give_room(settings: Settings, keys: Iterable[ApiKey]) -> Settings:
    """Return settings in which each tenant with a key has room for results, where they do not say how many have."""
    if settings.reuse.tenants is not None:
        return settings
    tenants = len({key.tenant for key in keys if key.revoked is None})
    return replace(settings, reuse=replace(settings.reuse, tenants=max(LEAST, tenants)))


def create_site(service: Service, traces: Traces) -> Any:
    """Create the application of a service with its pages, of FastAPI."""
    from .api.app import create_app
    from .web import pages, state

    return create_app(service, traces, (pages.router, state.router))


async def _serve(settings: Settings, listening: socket.socket) -> None:
    uvicorn: Any = optional("uvicorn")
    from .api.entrance.slow_clients import PatientProtocol
    from .start import create_service

    traces, service = make_traces(), create_service(settings)
    config = uvicorn.Config(
        create_site(service, traces),
        http=PatientProtocol,
        ws="none",
        h11_max_incomplete_event_size=HEAD_BYTES,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=LAST_WORDS,
    )
    server = uvicorn.Server(config)
    end_in_order(server, service)
    try:
        await server.serve(sockets=[listening])
    finally:
        traces.close()
    if service.unstartable is not None:
        raise service.unstartable
