"""Ctrl-C and SIGTERM as a wish to stop after the work at hand; a second one breaks off."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""What a terminal sends for Ctrl-C, and what `kill`, schedulers and containers send."""


class Terminated(KeyboardInterrupt):
    """SIGTERM broke off the work at hand."""


class Stopping:
    """Within the context a signal is noted; a second one, or any while nothing can be waited for, breaks off at once.

    Args:
        gentle: whether the work at hand ends at a point where it can be stopped.
        noted: called when a signal is noted.
    """

    def __init__(self, gentle: Callable[[], bool], noted: Callable[[], None]) -> None:
        self.wished = False
        self._gentle = gentle
        self._noted = noted
        self._main = threading.current_thread() is threading.main_thread()  # others are told of no signal

    def __enter__(self) -> Stopping:
        if self._main:
            self._before = {number: signal.signal(number, self._interrupted) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        if self._main:
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def _interrupted(self, number: int, frame: Any) -> None:
        if self.wished or not self._gentle():
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        self.wished = True
        self._noted()
