"""Servers of stub workers, each in a process of its own, with all that `evocache serve` has but models.

`python -m tests.serve.whole.stub_server` forks a server for each line on its standard input, which is JSON of `Orders`,
and prints `server PID`, what that prints (`address URL`), and `over STATUS` when it has ended.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import evocache.serve.api.app
import evocache.serve.web.pages
import evocache.serve.web.state  # noqa: F401 - loaded once, before servers are forked
from evocache.serve import start
from evocache.serve.database.database import Database
from evocache.serve.run import run
from evocache.serve.service import Service
from evocache.serve.settings import Settings
from evocache.serve.workers.task import Task
from evocache.usage.keys.secret import installation_secret
from tests.serve.stub_worker import MOVING, STILL, StubWorker


@dataclass(frozen=True)
class Orders:
    """What a server is told.

    Attributes:
        folder: for its jobs.
        steps: of each task.
        seconds: of each step.
        drain: seconds that it may take to end.
        open: most tasks at a time.
        port: 0 takes a free one.
        database: of Postgres.
        shared: of Valkey.
        lease: seconds of silence after which others take its jobs.
    """

    folder: str
    steps: int = 4
    seconds: float = 0.0
    drain: float = 30.0
    open: int = 16
    port: int = 0
    database: str | None = None
    shared: str | None = None
    lease: float = 30.0


class ForgetfulWorker(StubWorker):
    """A stub that remembers nothing of tasks that are over: what a server holds is the server's own."""

    def submit(self, task: Task) -> None:
        super().submit(task)
        with self._lock:
            self.tasks.clear()
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            self._wishes &= self._open.keys()


def say(*words: object) -> None:
    """Write a line at once, whole even where the process is killed: it is shorter than what a pipe takes at a time."""
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


def serve(orders: Orders) -> None:
    """Serve until told to end."""
    settings = Settings(
        {"stub": "stub", "moving": "moving"},
        folder=Path(orders.folder),
        port=orders.port,
        open=orders.open,
        drain=orders.drain,
        database=orders.database,
        shared=orders.shared,
        lease=orders.lease,
        secret=installation_secret(),
    )
    worker = ForgetfulWorker(STILL, MOVING, steps=orders.steps, seconds=orders.seconds)
    start.create_service = lambda settings: Service(settings, [worker])
    run(settings, lambda url: say("address", url))


def warm_up() -> None:
    """Load before servers are forked what each would load by itself."""
    import av  # noqa: F401

    with tempfile.TemporaryDirectory() as folder, Database(f"sqlite:///{folder}/server.db"):
        pass


def main() -> None:
    warm_up()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            sys.stdin.close()
            serve(Orders(**json.loads(line)))
            os._exit(0)
        say("server", child)
        say("over", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    main()
