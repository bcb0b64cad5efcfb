"""A cluster of Ray on this machine, and two replicas of stubs on it, over a Postgres database and a Valkey server."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest

from evocache.clusters import restore_sigterm
from evocache.serve.ray_app.application import NAME, build_application
from evocache.serve.ray_app.replica_settings import ReplicaSettings
from evocache.serve.settings import Settings
from tests.serve.ray.processes import below, free_port, until
from tests.serve.ray.stubs import make_service

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'evocache[ray]'")
serve = pytest.importorskip("ray.serve")

LEASE = 2.0
"""Seconds of silence after which a replica counts as dead."""


@dataclass(frozen=True)
class Place:
    """Where replicas are asked, and what they share."""

    address: str
    settings: Settings
    folder: Path

    def deploy(self, **settings: Any) -> None:
        """Have two replicas that take requests, in place of those that there are."""
        told = Settings(**{**vars(self.settings), **settings})
        application = build_application(told, ReplicaSettings(replicas=2, cpus=0.5), make_service)
        serve.run(application, name=NAME)

    def client(self, retries: int = 0) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.address}/v1", api_key="any", max_retries=retries, timeout=60)


@pytest.fixture(scope="package")
def cluster() -> Iterator[str]:
    """A cluster that this machine alone reaches, with Serve; gives the address of its proxy."""
    before, there = signal.getsignal(signal.SIGTERM), below(os.getpid())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=80_000_000,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _node_ip_address="127.0.0.1",
        )
        roots, port, begun = below(os.getpid()) - there, free_port(), set[int]()
        try:
            serve.start(http_options={"host": "127.0.0.1", "port": port})
            yield f"http://127.0.0.1:{port}"
        finally:
            begun = roots.union(*map(below, roots))  # not what other fixtures began meanwhile, as a database
            serve.shutdown()
            ray.shutdown()
    restore_sigterm(before)
    assert begun
    until(lambda: not any(Path(f"/proc/{process}").exists() for process in begun))


@pytest.fixture(scope="package")
def place(cluster: str, postgres: Any, valkey_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Two replicas of stubs that take requests."""
    folder = tmp_path_factory.mktemp("machines")
    settings = Settings(
        {"stub": "stub", "moving": "moving"},
        folder=folder,
        database=postgres.create("ray_serve"),
        shared=f"valkey://127.0.0.1:{valkey_server.port}",
        lease=LEASE,
        drain=5.0,
        secret=b"s" * 32,
    )
    found = Place(cluster, settings, folder)
    found.deploy()
    return found
