"""Ending a run from outside: SIGTERM undoes what was begun, as Ctrl-C does, instead of leaving it behind."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def end_on_sigterm() -> Iterator[None]:
    """Raise SystemExit at SIGTERM within the context, so that workers are ended and temporary files removed.

    Where the process has a handler of its own, that stays; threads other than the first are told of no signal.
    """
    own = threading.current_thread() is threading.main_thread()
    if not own or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _ended)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _ended(number: int, frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # asked again, it is at it
    raise SystemExit(128 + number)
