"""What happens behind a hit: a thread tells policies of hits, and learns, within its share of one core."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from ..errors import EvocacheWarning
from .tiers import forks
from .warner import Warner

PAUSE = 0.2
"""Seconds between two rounds."""

SHARE = 0.03
"""Part of one core that learning may take."""


class Kept(Protocol):
    """What is kept up: the contents of a cache."""

    def drain(self) -> None:
        """Tell the policy of hits. Quick."""

    def lesson(self) -> Callable[[], None] | None:
        """Return what is to be learned now; None if nothing is. It may take seconds."""


class Upkeep:
    """Keeps caches up in a thread of its own, which lives as long as one of them does.

    Args:
        pause: seconds between two rounds.
        share: part of one core that learning may take: after a lesson the next one waits until that holds.
    """

    def __init__(self, pause: float = PAUSE, share: float = SHARE) -> None:
        self.pause, self.share = pause, share
        self._warner = Warner()
        self._caches: weakref.WeakSet[Kept] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        forks.watch(self)

    def before_fork(self) -> None:
        """Hold still."""
        self._lock.acquire()

    def after_fork(self, child: bool) -> None:
        """Go on; in a child process, which has none of its parent's threads, with a thread of its own."""
        if child and self._thread is not None:
            self._thread = None
            self._start()
        self._lock.release()

    def watch(self, cache: Kept) -> None:
        """Keep a cache up from now on, as long as somebody has it."""
        with self._lock:
            self._caches.add(cache)
            if self._thread is None or not self._thread.is_alive():
                self._start()

    def forget(self, cache: Kept) -> None:
        """Leave a cache alone from now on."""
        with self._lock:
            self._caches.discard(cache)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="evocache-upkeep", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        not_before = 0.0
        while True:
            time.sleep(self.pause)
            with self._lock:
                caches = list(self._caches)
                if not caches:
                    self._thread = None
                    return
            for cache in caches:
                began = time.thread_time()
                try:
                    learned = self._keep_up(cache, time.monotonic() >= not_before)
                except Exception as error:  # a fault of one cache's policy must not end the learning of all
                    learned = True
                    with suppress(EvocacheWarning):  # where warnings are errors
                        self._warner.warn(repr(error), f"a cache could not learn: {type(error).__name__}: {error}")
                if learned:
                    not_before = time.monotonic() + (time.thread_time() - began) / self.share
            del caches, cache  # nobody else may have them until the next round

    @staticmethod
    def _keep_up(cache: Kept, may_learn: bool) -> bool:
        """Keep a cache up, and return whether it learned."""
        cache.drain()
        lesson = cache.lesson() if may_learn else None
        if lesson is not None:
            lesson()
        return lesson is not None


UPKEEP = Upkeep()
"""Keeps up all caches of the process; its thread begins with the first of them."""
