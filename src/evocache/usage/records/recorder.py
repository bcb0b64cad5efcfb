"""Record requests beside a cache: never in its way, never an error to it."""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from ...errors import Error, RecordWarning
from ...user_warnings import warn
from ..tiers import forks
from .event import Event
from .store import EventStore

FIRST, LONGEST = 1.0, 300.0
"""Seconds until a store that failed is tried again: at first, and at most; each failure doubles them."""

IDLE = 5.0
"""Seconds without events after which the thread ends; the next event starts another."""

LONGEST_WRITE = 10.0
"""Seconds that a fork waits for a write to end."""


class Recorder:
    """Writes events to a store in batches, by a thread of its own.

    While the store is away, locked or full, events wait here. Those that find no room are dropped, the oldest first,
    and counted. The store is tried again after 1, 2, 4, ... 300 seconds. What waits is written when the program ends.
    A recorder that nobody has any more goes when all is written, though nobody closed it. A forked process goes on with
    a thread and a connection of its own; what waited is its parent's.

    Args:
        open_store: opens the store; called at the first events, and again where it failed. The recorder closes it.
        batch: events that are written at a time.
        most: events that may wait.
        wait: seconds that an event waits at most for its batch to fill.
        clock: returns seconds that only grow.
        threaded: write by a thread; else `flush` writes.
    """

    def __init__(
        self,
        open_store: Callable[[], EventStore],
        *,
        batch: int = 256,
        most: int = 8192,
        wait: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        threaded: bool = True,
    ) -> None:
        self._open = open_store
        self._store: EventStore | None = None
        self._batch, self._most, self._wait, self._clock = batch, most, wait, clock
        self._threaded = threaded
        self._closed = False
        self.written = 0
        """Events that are in the store."""
        self.dropped = 0
        """Events that found no room while the store could not be written."""
        self.problem: Exception | None = None
        """Why the store cannot be written now; None while it can."""
        self._begin()
        self._at_exit = partial(_close, weakref.ref(self))
        if threaded:
            atexit.register(self._at_exit)
        forks.watch(self)

    def _begin(self) -> None:
        self._waiting: deque[Event] = deque()
        self._pause = 0.0
        self._again = float("-inf")
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None

    def before_fork(self) -> None:
        """Hold still between two writes: a database that is forked while it writes may stop for ever."""
        self._still = self._writing.acquire(timeout=LONGEST_WRITE)

    def after_fork(self, child: bool) -> None:
        """Go on; a child has neither the threads nor the connections, which its parent uses."""
        if child:
            self._inherited, self._store = self._store, None  # kept: to close it would end what the parent does
            self.written = self.dropped = 0
            self._begin()
        elif self._still:
            self._writing.release()

    @property
    def waiting(self) -> int:
        """Events that are not written yet."""
        return len(self._waiting)

    def record(self, event: Event) -> None:
        """Note an event. It neither waits for the store nor raises; after `close` events are dropped."""
        with self._changed:
            if self._closed:
                self.dropped += 1
                return
            self._waiting.append(event)
            if len(self._waiting) > self._most:
                self._waiting.popleft()
                self.dropped += 1
            if self._threaded and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="evocache-records", daemon=True)
                self._thread.start()
            if len(self._waiting) in (1, self._batch):
                self._changed.notify_all()

    def forget(self, which: Callable[[Event], bool]) -> int:
        """Write none of the events that are meant and wait, and return how many there were.

        What is being written arrives first, so that none of them is written afterwards.
        """
        with self._writing, self._changed:
            kept = [event for event in self._waiting if not which(event)]
            gone = len(self._waiting) - len(kept)
            self._waiting = deque(kept)
            return gone

    def flush(self) -> bool:
        """Write all that waits, unless the store failed a short while ago, and return whether nothing waits now."""
        with self._writing:
            while self._waiting and self._clock() >= self._again:
                self._write()
        return not self._waiting

    def _write(self) -> None:
        with self._changed:
            batch = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
        try:
            if self._store is None:
                self._store = self._open()
            self._store.append(batch)
        except Error as error:
            self._put_back(batch)
            self._pause = min(max(FIRST, 2 * self._pause), LONGEST)
            self._again = self._clock() + self._pause
            self._tell(error)
        except Exception as error:  # a fault of ours must not end the thread, nor be met for ever
            self.dropped += len(batch)
            self._tell(error)
        else:
            self.written += len(batch)
            self._pause = 0.0
            self.problem = None

    def _put_back(self, batch: list[Event]) -> None:
        with self._changed:
            room = max(0, self._most - len(self._waiting))
            self.dropped += max(0, len(batch) - room)
            self._waiting.extendleft(reversed(batch[max(0, len(batch) - room) :]))

    def _tell(self, error: Exception) -> None:
        """Warn once for each time that the store goes away; a filter that raises does not reach the cache."""
        first, self.problem = self.problem is None, error
        if first:
            with suppress(RecordWarning):
                warn(f"requests are not recorded now: {error}", RecordWarning)

    def _run(self) -> None:
        while not self._closed:
            with self._changed:
                came = self._changed.wait_for(lambda: self._closed or len(self._waiting) > 0, IDLE)
                if not came:
                    self._thread = None
                    return
            with self._changed:
                self._changed.wait_for(lambda: self._closed or len(self._waiting) >= self._batch, self._wait)
            self.flush()
            if self.problem is not None:
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, self._wait)

    def _close_store(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            with suppress(Error):
                store.close()

    def __del__(self) -> None:
        """Give the connection back of one that nobody has any more."""
        with suppress(Exception):
            self._close_store()

    def close(self) -> None:
        """Write what waits, once more if the store failed, and close the store; what it does not take is dropped."""
        atexit.unregister(self._at_exit)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._again = float("-inf")
        self.flush()
        with self._writing, self._changed:
            self.dropped += len(self._waiting)
            self._waiting.clear()
        with self._writing:
            self._close_store()


def _close(reference: weakref.ref[Recorder]) -> None:
    one = reference()
    if one is not None:
        one.close()
