"""What is deployed on Ray Serve: so many replicas, each a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...extras import optional
from ..ending import LAST_WORDS
from ..run import prepare
from ..settings import Settings
from ..start import create_service
from .arguments import read_arguments
from .replica import Make, Replica
from .replica_settings import ReplicaSettings
from .spread import check_spread, mark_folder

NAME = "evocache"
"""Of the application, and of its deployment where it is built by Ray's commands."""

ONGOING = 4096
"""Requests that Ray passes on to a replica at a time: more than its door lets in, so that the door refuses."""

WRITING = 15.0
"""Seconds that a replica may take to write what it has, after it has drained."""

TRIES = 3
"""How often a replica that does not start is started anew."""


def app(args: Mapping[str, Any]) -> Any:
    """Build the application for `serve run evocache.serve.ray_app:app NAME=VALUE...`, or for a file of `serve deploy`.

    Others may reach the proxies of a cluster: it needs API keys, or `insecure=true`.

    Args:
        args: fields of `Settings` and `ReplicaSettings` by name, as plain values or as texts; `secret` is the folder
            of the installation's secret.

    Returns:
        An application of Ray Serve.

    Raises:
        ServeError: if one is unknown or wrong, if several servers cannot share it, or if there are no keys.
        StoreError: if the database cannot be opened.
        DependencyError: if the extra `[serve]` or `[ray]` is not installed.
    """
    settings, replicas = read_arguments(args)
    return build_application(prepare(check_spread(settings)), replicas)


def build_application(
    settings: Settings, replicas: ReplicaSettings, make: Make = create_service, name: str = NAME
) -> Any:
    """Build the application of Ray Serve that settings describe; nothing is started.

    Args:
        settings: of each server.
        replicas: how many there are, and what they take.
        make: makes the service of a replica, in its process.
        name: of the deployment.

    Raises:
        ServeError: if several servers cannot share these settings.
        DependencyError: if the extra `[ray]` is not installed.
    """
    serve = optional("ray.serve")
    settings = check_spread(settings)
    if settings.threads is None:  # Ray's account is not what the system counts as this process's cores
        settings = replace(settings, threads=max(1, int(replicas.cpus / max(1, settings.workers))))
    assert settings.folder is not None, "check_spread saw to it"
    deployment = serve.deployment(
        serve.ingress()(Replica),
        name=name,
        num_replicas=replicas.replicas,
        ray_actor_options={"num_cpus": replicas.cpus, "num_gpus": replicas.gpus},
        max_ongoing_requests=ONGOING,
        max_constructor_retry_count=TRIES,
        graceful_shutdown_wait_loop_s=0.5,
        graceful_shutdown_timeout_s=2 * settings.drain + LAST_WORDS + WRITING,
        logging_config={"enable_access_log": False},  # the server writes its own lines
    )
    return deployment.bind(settings, mark_folder(settings.folder), replicas.patience, make)
