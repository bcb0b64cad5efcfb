"""Who computes: workers in this process, or processes under a supervisor."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ..errors import Error, GenerationError, shorten
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
        """Start the workers, and have the dispatcher hand them tasks, at most so many at a time to each.

        Where some cannot start, the others do.

        Raises:
            Error: of evocache, as the first one raises it, if none can start.
        """

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
        self._workers, self.why_unready = workers, LOADING

    async def start(self, dispatcher: Dispatcher, open: int) -> None:
        """Start the workers.

        Raises:
            Error: of evocache, as the first one raises it, if none can start.
        """
        errors: list[Error] = []
        for at, worker in enumerate(self._workers):
            try:
                await dispatcher.add(worker, open)
            except Exception as error:
                known = isinstance(error, Error)
                log.error("worker %d cannot start: %s", at, error, exc_info=None if known else error)
                errors.append(error if isinstance(error, Error) else _of_another_library(error))
            else:
                self.why_unready = ""
        if errors and self.why_unready:
            raise errors[0]

    def figures(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what workers have done, by their names."""
        return {f"worker {at}": worker.figures() for at, worker in enumerate(self._workers)}

    async def close(self) -> None:
        """End them."""
        for worker in self._workers:
            await asyncio.to_thread(worker.close)


class SupervisedCrew:
    """Workers in processes of their own; one that dies or hangs is replaced.

    Once all have been given up, the dispatcher is told that none will come.

    Args:
        supervisor: of them; not started yet.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor, self._starting = supervisor, True

    @property
    def why_unready(self) -> str:
        """Why no worker takes tasks, in words; empty if one does."""
        why = self._supervisor.why_unready
        return LOADING if why and self._starting else why

    async def start(self, dispatcher: Dispatcher, open: int) -> None:
        """Start the workers, all at the same time.

        Raises:
            Error: of evocache, as the first one raises it, if none can start.
        """

        def end() -> None:
            dispatcher.give_up(self._supervisor.why_unready)

        listener = _DispatcherListener(dispatcher, asyncio.get_running_loop(), open, len(self._supervisor), end)
        await asyncio.to_thread(self._supervisor.start, dispatcher.teller(), listener)
        self._starting = False

    def figures(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what workers have done, by their names."""
        return self._supervisor.figures()

    async def close(self) -> None:
        """End them."""
        await asyncio.to_thread(self._supervisor.close)


class _DispatcherListener:
    """Has a dispatcher know which workers there are; told in threads of the supervisor.

    Args:
        dispatcher: is told.
        loop: of the dispatcher.
        open: most tasks that a worker is given at a time.
        count: of workers.
        end: called in the loop once all of them have been given up.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        loop: asyncio.AbstractEventLoop,
        open: int,
        count: int,
        end: Callable[[], None],
    ) -> None:
        self._dispatcher, self._loop, self._open = dispatcher, loop, open
        self._count, self._end = count, end
        self._workers: dict[str, Worker] = {}
        self._given_up: set[str] = set()

    def came(self, name: str, worker: Worker, cards: Sequence[ModelCard]) -> None:
        self._workers[name] = worker
        self._later(self._dispatcher.join, worker, cards, self._open)

    def went(self, name: str, why: str) -> None:
        worker = self._workers.pop(name, None)
        if worker is not None:
            self._later(self._dispatcher.remove, worker)

    def gave_up(self, name: str, why: str) -> None:
        self._given_up.add(name)
        if len(self._given_up) == self._count:
            self._later(self._end)

    def _later(self, call: Any, *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # the loop is closed: nobody is there to be told
            log.debug("a worker came or went after the server had ended")


def _of_another_library(error: Exception) -> GenerationError:
    given = f"a worker that failed as it started ({type(error).__name__}: {shorten(error)})"
    return GenerationError(given, "one that starts", "see the log")
