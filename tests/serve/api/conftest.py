"""A served stub, and the official client of it."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from evocache.serve.service import Service
from evocache.serve.settings import Settings
from tests.serve.running_server import running
from tests.serve.stub_worker import MOVING, STILL, StubWorker


@pytest.fixture
def worker() -> StubWorker:
    return StubWorker(STILL, MOVING)


@pytest.fixture
def address(worker: StubWorker) -> Iterator[str]:
    """The address of a server of the stub, which is ready."""
    service = Service(Settings({"stub": "stub", "moving": "moving"}), [worker])
    with running(service) as url:
        yield url


@pytest.fixture
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0, timeout=30) as client:
        yield client
