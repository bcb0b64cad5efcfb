"""Put servers on a cluster of Ray until told to end."""

from __future__ import annotations

import math
import os
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ...clusters import connect, disconnect
from ...errors import ServeError
from ...extras import optional
from ...search.termination import end_on_sigterm
from ..run import listen, prepare
from ..settings import Settings
from ..start import create_service
from .application import NAME, build_application
from .arguments import BEYOND
from .deployed import deployed
from .replica import Make
from .replica_settings import ReplicaSettings
from .spread import check_spread

LOCAL = "local"
"""Address of a cluster of this machine alone, which is started and ended."""


def serve_on_ray(
    settings: Settings,
    address: str,
    replicas: ReplicaSettings,
    told: Callable[[str], None] = lambda url: None,
    make: Make = create_service,
) -> None:
    """Serve on a cluster until SIGTERM or SIGINT; what runs then may take `settings.drain` seconds to end.

    Args:
        settings: of each server; `host` and `port` are where Ray's proxies listen, unless Serve runs there already.
        address: of the cluster, `auto` for the one of this machine, or `local` for a new one.
        replicas: how many servers there are.
        told: is told the address once all take requests.
        make: makes the service of a replica, in its process.

    Raises:
        ServeError: if several servers cannot share the settings; if others than this machine reach them, there are no
            keys, and `settings.insecure` is not set; if a new cluster's address is taken; if the cluster cannot be
            reached, lacks what replicas take, or has such servers already; if they do not start.
        StoreError: if the database cannot be opened.
        DependencyError: if the extra `[serve]` or `[ray]` is not installed.
    """
    if not settings.port:
        raise ServeError("port 0", "a port that Ray's proxies listen at on each machine", "name one with --port")
    host, own = settings.host, address == LOCAL
    if not own or os.environ.get("RAY_SERVE_ENABLE_HA_PROXY") == "1":  # which listens at all addresses
        settings = replace(settings, host=BEYOND)
    settings = check_spread(settings)
    if own:
        listen(host, settings.port).close()  # Ray would wait for ever
        _close_cluster()
    ray, serve = optional("ray"), optional("ray.serve")
    application = build_application(prepare(settings), replicas, make, f"{NAME}-{secrets.token_hex(4)}")
    with end_on_sigterm(), _connected(ray, address, replicas):
        quiet = {"log_level": "WARNING", "enable_access_log": False}
        serve.start(http_options={"host": host, "port": settings.port}, logging_config=quiet)
        try:
            with deployed(serve, application, NAME):
                told(f"http://{f'[{host}]' if ':' in host else host}:{settings.port}")
                threading.Event().wait()
        finally:
            if own:
                serve.shutdown()


def _close_cluster() -> None:
    """Have a new cluster of this process let nobody in without a token of its own: Ray listens at all addresses."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if "ray" not in sys.modules and "RAY_AUTH_MODE" not in os.environ:  # it is read at the import
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))


@contextmanager
def _connected(ray: Any, address: str, replicas: ReplicaSettings) -> Iterator[None]:
    """Be connected to a cluster."""
    settings: dict[str, Any] = {}
    if address == LOCAL:
        wanted = math.ceil(replicas.replicas * replicas.cpus)
        settings = {"num_cpus": max(os.cpu_count() or 1, wanted), "include_dashboard": False}
    connect(ray, address, ServeError, **settings)
    try:
        there, wanted_gpus = ray.cluster_resources().get("GPU", 0), replicas.replicas * replicas.gpus
        if address == LOCAL and there < wanted_gpus:
            given = f"replicas that take {wanted_gpus:g} GPUs on a machine with {there:g}"
            raise ServeError(
                given, "GPUs for all", "ask for fewer replicas, or for a part of a GPU, such as --gpus 0.5"
            )
        yield
    finally:
        disconnect(ray)
