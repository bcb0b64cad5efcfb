"""Who computes: workers in this process, or processes under a supervisor."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..errors import Error
from .control.dispatch import Dispatcher
from .workers.card import ModelCard
from .workers.supervisor import Supervisor
from .workers.worker import Worker

log = logging.getLogger("evocache.serve")

LOADING = "models are being loaded"


class Crew(Protocol):
    """All workers of a server."""

    @property
    def why_unready(self) -> str:
        """Why no worker takes tasks, in words; empty if one does."""

    async def start(self, dispatcher: Dispatcher, open: int) -> None:
        """Start the workers, and have the dispatcher hand them tasks, at most so many at a time to each."""

    def figures(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what workers have done, by their names."""

    async def close(self) -> None:
        """End them."""


class PlainCrew:
    """Workers that are made once, and are not replaced.

    Args:
        workers: not started yet.
    """

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers, self._ready, self.why_unready = workers, False, LOADING

    async def start(self, dispatcher: Dispatcher, open: int) -> None:
        """Start the workers; one that cannot start is told of in `why_unready`, if none can."""
        for worker in self._workers:
            try:
                await dispatcher.add(worker, open)
            except Error as error:
                self.why_unready = "" if self._ready else str(error)
                log.error("a worker cannot start: %s", error)
            else:
                self._ready, self.why_unready = True, ""

    def figures(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what workers have done, by their names."""
        return {f"worker {at}": worker.figures() for at, worker in enumerate(self._workers)}

    async def close(self) -> None:
        """End them."""
        for worker in self._workers:
            await asyncio.to_thread(worker.close)


class SupervisedCrew:
    """Workers in processes of their own; one that dies or hangs is replaced.

    Args:
        supervisor: of them; not started yet.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor, self._why = supervisor, LOADING

    @property
    def why_unready(self) -> str:
        """Why no worker takes tasks, in words; empty if one does."""
        return self._supervisor.why_unready and (self._why or self._supervisor.why_unready)

    async def start(self, dispatcher: Dispatcher, open: int) -> None:
        """Start the workers, all at the same time."""
        watch = _Watch(dispatcher, asyncio.get_running_loop(), open)
        try:
            await asyncio.to_thread(self._supervisor.start, dispatcher.teller(), watch)
        except Error as error:
            self._why = str(error)
            log.error("the workers cannot start: %s", error)
        else:
            self._why = ""

    def figures(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what workers have done, by their names."""
        return self._supervisor.figures()

    async def close(self) -> None:
        """End them."""
        await asyncio.to_thread(self._supervisor.close)


class _Watch:
    """Has a dispatcher know which workers there are; told in threads of the supervisor."""

    def __init__(self, dispatcher: Dispatcher, loop: asyncio.AbstractEventLoop, open: int) -> None:
        self._dispatcher, self._loop, self._open = dispatcher, loop, open
        self._workers: dict[str, Worker] = {}

    def came(self, name: str, worker: Worker, cards: Sequence[ModelCard]) -> None:
        self._workers[name] = worker
        self._later(self._dispatcher.join, worker, cards, self._open)

    def went(self, name: str, why: str) -> None:
        worker = self._workers.pop(name, None)
        if worker is not None:
            self._later(self._dispatcher.remove, worker)

    def _later(self, call: Any, *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # the loop is closed: nobody is there to be told
            log.debug("a worker came or went after the server had ended")
