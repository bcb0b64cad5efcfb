"""Servers of a stub with keys in their database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from evocache.serve.access.key_store import KeyStore
from evocache.serve.database.database import Database
from evocache.serve.database.place import url_of
from evocache.serve.service import Service
from evocache.serve.settings import Settings
from tests.serve.running_server import running
from tests.serve.stub_worker import MOVING, STILL, StubWorker

Serve = Callable[..., str]


@pytest.fixture
def folder(fast_folder: Path) -> Path:
    return fast_folder


@pytest.fixture
def store(folder: Path) -> Iterator[KeyStore]:
    """Keys in the database of the server's folder."""
    with Database(url_of(folder)) as database:
        yield KeyStore(database)


@pytest.fixture
def worker() -> StubWorker:
    return StubWorker(STILL, MOVING)


@pytest.fixture
def serve(folder: Path, worker: StubWorker) -> Iterator[Serve]:
    """`serve(**settings)`: begin a server in the folder, and return its address."""
    with ExitStack() as open:

        def begin(**settings: Any) -> str:
            named = {"stub": "stub", "moving": "moving"}
            return open.enter_context(running(Service(Settings(named, folder=folder, **settings), [worker])))

        yield begin


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def generate(address: str, secret: str = "", prompt: str = "a fox", **fields: Any) -> httpx.Response:
    """Ask for a picture."""
    headers = bearer(secret) if secret else {}
    return httpx.post(f"{address}/v1/images/generations", json={"prompt": prompt, **fields}, headers=headers)
