"""A worker for a process that starts at once, whose tasks are never over by themselves."""

from __future__ import annotations

from evocache.serve.workers.worker import WorkerSettings
from tests.serve.stub_worker import StubWorker

LONG = f"{__name__}:LongWorker"


class LongWorker(StubWorker):
    """Holds what the stub of servers holds, and takes as many steps as nobody waits for."""

    def __init__(self, settings: WorkerSettings) -> None:
        super().__init__(steps=1_000_000, seconds=0.05)
