"""Puts that are written a moment later, many at once, by a thread of their own."""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from .forks import watch
from .tier import Stored, Tier

IDLE = 5.0
"""Seconds without anything to write after which the thread ends."""


@dataclass(slots=True)
class QueueFigures:
    """What the queue did.

    Attributes:
        queued: entries that were taken.
        written: entries that the tier took.
        dropped: entries that were not: the queue was full, or the tier did not take them.
    """

    queued: int = 0
    written: int = 0
    dropped: int = 0


class WriteBehind(Tier):
    """A tier behind a queue: puts return at once, and are durable after `flush`, or within about a second.

    What waits is found by `get`, replaced by a later put, and forgotten by `delete` and `clear` as if it were written.
    A queue that is full drops the newcomer and counts it. What waits at the end of the program is written then. The
    figures are the tier's; those of the queue are in `queue`.

    Args:
        tier: where entries go.
        max_bytes: bytes of payloads that may wait.
        seconds: how long puts are gathered.
        thread: whether a thread writes, which is started by the first put; else `step` does, when it is called.
        clock: seconds since 1970.
    """

    name = "write-behind"

    def __init__(
        self,
        tier: Tier,
        max_bytes: int = 64 << 20,
        *,
        seconds: float = 1.0,
        thread: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(tier.max_bytes)
        self.tier = tier
        self.figures = tier.figures
        self.queue = QueueFigures()
        self._most, self._seconds, self._threaded, self._clock = max_bytes, seconds, thread, clock
        self._reset()
        watch(self)
        self._at_exit = partial(_close, weakref.ref(self))
        atexit.register(self._at_exit)

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._waiting: dict[bytes, Stored] = {}
        self._on_its_way: dict[bytes, Stored] = {}
        self._held = 0
        self._since = 0.0
        self._closed = False
        self._thread: threading.Thread | None = None

    def get(self, key: bytes) -> Stored | None:
        """Return an entry that waits, or the tier's."""
        with self._changed:
            stored = self._waiting.get(key) or self._on_its_way.get(key)
        if stored is None:
            return self.tier.get(key)
        return None if stored.over(self._clock()) else stored

    def put_many(self, entries: Iterable[tuple[bytes, Stored]]) -> int:
        """Queue entries, and return how many there was room for."""
        taken = 0
        with self._changed:
            for key, stored in entries:
                before = self._waiting.get(key)
                room = len(stored.payload) - (len(before.payload) if before else 0)
                if self._closed or self._held + room > self._most:
                    self.queue.dropped += 1
                    continue
                if not self._waiting:
                    self._since = self._clock()
                self._waiting[key] = stored
                self._held += room
                taken += 1
            self.queue.queued += taken
            if taken and self._threaded and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="evocache-write-behind", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return taken

    def step(self, now: bool = False) -> int:
        """Write what has waited for `seconds`, or all of it, and return how many entries the tier took."""
        with self._writing:
            with self._changed:
                if not self._waiting or (self._left() > 0 and not now):
                    return 0
                batch, self._waiting = self._waiting, {}
                self._on_its_way = batch
            taken = 0
            try:
                taken = self.tier.put_many(batch.items())
            finally:
                with self._changed:
                    self._on_its_way = {}
                    self._held -= sum(len(stored.payload) for stored in batch.values())
                    self.queue.written += taken
                    self.queue.dropped += len(batch) - taken
                    self._changed.notify_all()
            return taken

    def _left(self) -> float:
        """Seconds until what waits is due; none where the clock jumped."""
        waited = self._clock() - self._since
        return self._seconds - waited if waited >= 0 else 0.0

    def _run(self) -> None:
        """The thread: write what is due, and end when the queue is closed, or nothing came for a while.

        So a queue that nobody has any more goes, though nobody closed it.
        """
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    if not self._changed.wait(IDLE) and not self._waiting:
                        self._thread = None
                        return
                if self._closed:
                    return
                if self._left() > 0:
                    self._changed.wait(self._left())
                    continue
            try:
                self.step()
            except Exception:  # a warning that is an error, say: the entries are counted as dropped
                continue

    def flush(self) -> None:
        """Return when all that was put before is durable, or was dropped by the tier."""
        self.step(now=True)

    def delete(self, keys: Iterable[bytes]) -> int:
        """Forget entries that wait, and the tier's."""
        names = set(keys)
        return self._withdraw(lambda key, stored: key in names, lambda: self.tier.delete(names))

    def clear(self, owner: bytes | None = None) -> int:
        """Forget all entries of an owner, or all, that wait, and the tier's."""
        return self._withdraw(lambda key, stored: owner in (None, stored.owner), lambda: self.tier.clear(owner))

    def expire(self) -> int:
        """Forget the tier's entries whose time is over."""
        return self.tier.expire()

    def _withdraw(self, which: Callable[[bytes, Stored], bool], then: Callable[[], int]) -> int:
        with self._writing:  # what is on its way arrives first, and is deleted there
            with self._changed:
                gone = {key: stored for key, stored in self._waiting.items() if which(key, stored)}
                for key, stored in gone.items():
                    del self._waiting[key]
                    self._held -= len(stored.payload)
            return len(gone) + then()

    @property
    def bytes(self) -> int:
        """Bytes of the tier, and of what waits."""
        return self.tier.bytes + self._held

    def __len__(self) -> int:
        return len(self.tier) + len(self._waiting) + len(self._on_its_way)

    def close(self) -> None:
        """Write what waits, end the thread, and close the tier."""
        self.flush()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        atexit.unregister(self._at_exit)
        self.flush()
        self.tier.close()

    def before_fork(self) -> None:
        """Finish what is on its way: a thread does not follow into a child."""
        self._writing.acquire()
        self._changed.acquire()

    def after_fork(self, child: bool) -> None:
        """Go on; the parent writes what waits, and the child begins with nothing."""
        if child:
            self._reset()
        else:
            self._changed.release()
            self._writing.release()


def _close(reference: weakref.ref[WriteBehind]) -> None:
    one = reference()
    if one is not None:
        one.close()
