"""Which engine of the process has its state: random states and flags are one, however many engines there are."""

from __future__ import annotations

import os
import threading
from collections import deque


class Baton:
    """Goes from engine to engine, in the order in which they asked for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: object = None
        self._waiting: deque[tuple[object, threading.Event]] = deque()

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for it."""
        return bool(self._waiting)

    def take(self, who: object) -> None:
        """Wait until it is somebody's turn to have it; at once for whoever has it."""
        with self._lock:
            if self._holder is who:
                return
            if self._holder is None:
                self._holder = who
                return
            mine = threading.Event()
            self._waiting.append((who, mine))
        mine.wait()

    def give(self, who: object) -> None:
        """Hand it on, if it is theirs."""
        with self._lock:
            if self._holder is not who:
                return
            self._holder = None
            if self._waiting:
                self._holder, event = self._waiting.popleft()
                event.set()


baton = Baton()
"""The process's."""


def _begin_anew() -> None:
    """In a process that was forked: no engine of the other one lives here."""
    baton.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
