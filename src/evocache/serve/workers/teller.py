"""Tells what becomes of tasks, in one thread and in order: of each its end once, and nothing after it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from ...errors import GenerationError
from .updates import Cancelled, Failed, Made, Update
from .worker import Tell

Look = Callable[[], Iterable[tuple[str, Update]]]

ENDS = (Made, Failed, Cancelled)


class Teller:
    """Keeps which tasks are open, and tells what is posted of them.

    Args:
        tell: is told.
        look: is asked for news while tasks are open.
        every: seconds between two times that it is asked.
        name: of the thread.
    """

    def __init__(
        self, tell: Tell, *, look: Look | None = None, every: float = 0.05, name: str = "evocache worker"
    ) -> None:
        self._tell, self._look, self._every = tell, look, every
        self._open: set[str] = set()
        self._change = threading.Lock()
        self._closed = False
        self._inbox: queue.SimpleQueue[tuple[str, Update] | None] = queue.SimpleQueue()
        self._last: Update = Cancelled()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Return how many tasks are open."""
        return len(self._open)

    @property
    def is_here(self) -> bool:
        """Whether this is the thread that tells."""
        return threading.current_thread() is self._thread

    def open(self, id: str) -> None:
        """Note that there is a task.

        Raises:
            GenerationError: if one of that id is open, or all is over.
        """
        with self._change:
            if self._closed:
                raise GenerationError("a task for a worker that is closed", "one that runs", "start another")
            if id in self._open:
                raise GenerationError(f"a second task {id!r}", "an id of its own", "draw another id")
            self._open.add(id)
        self._inbox.put(("", Cancelled()))  # from now on it looks

    def post(self, id: str, update: Update) -> None:
        """Have something told of a task; nothing is, if that is over."""
        self._inbox.put((id, update))

    def close(self, last: Update) -> None:
        """Have all that was posted told, and then the end of each task that is still open; wait for that.

        Args:
            last: their end.
        """
        with self._change:
            closed, self._closed = self._closed, True
            self._last = self._last if closed else last
        self._inbox.put(None)
        if not self.is_here:
            self._thread.join()

    def _run(self) -> None:
        looked = 0.0
        while True:
            try:
                news = self._inbox.get(timeout=self._every if self._look and self._open else None)
            except queue.Empty:
                news = ("", Cancelled())
            if news is None:
                break
            self._say(*news)
            if self._look and time.monotonic() - looked >= self._every:
                looked = time.monotonic()
                for found in self._look():
                    self._say(*found)
        for id in sorted(self._open):
            self._say(id, self._last)

    def _say(self, id: str, update: Update) -> None:
        with self._change:
            known = id in self._open
            if isinstance(update, ENDS):
                self._open.discard(id)
        if known:
            with suppress(Exception):  # others are told all the same
                self._tell(id, update)
