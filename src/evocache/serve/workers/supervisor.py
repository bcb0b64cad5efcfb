"""Several workers, each in a process on a device of its own; one that dies or hangs is replaced."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ...errors import Error, GenerationError, InputError
from .card import ModelCard
from .process import LOCAL, ProcessWorker
from .worker import Tell, Worker, WorkerSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """How long a supervisor waits, in seconds.

    Attributes:
        ping: between two questions whether a worker answers.
        silence: that an idle worker may take to answer, before it is killed.
        busy: that one with tasks may take, whose libraries may hold the interpreter's lock for long.
        first: before a worker that has died is replaced; twice as many each further time that it dies soon.
        longest: most of these.
        soon: a worker that lived less has died soon.
        deaths: soon ones in a row after which a place is given up.
    """

    ping: float = 1.0
    silence: float = 20.0
    busy: float = 180.0
    first: float = 0.5
    longest: float = 30.0
    soon: float = 60.0
    deaths: int = 5


class WorkerListener(Protocol):
    """Is told which workers there are; called in a thread of the supervisor's, one for each place."""

    def came(self, name: str, worker: Worker, cards: Sequence[ModelCard]) -> None:
        """Note that a worker takes tasks."""

    def went(self, name: str, why: str) -> None:
        """Note that a worker is gone; the ends of all its tasks were told before."""

    def gave_up(self, name: str, why: str) -> None:
        """Note that no other worker of this name will come."""


class Supervisor:
    """Keeps a number of workers running, each in a place with a name: `worker 0`, `worker 1`...

    Args:
        settings: what each of them holds; `slot` and, on a CPU, `threads` are shared out among them.
        count: how many.
        patience: how long it waits.
        worker: class of the worker in each process: its module and name, with a colon between them.

    Raises:
        InputError: if that is none.
    """

    def __init__(
        self, settings: WorkerSettings, count: int = 1, *, patience: Patience | None = None, worker: str = LOCAL
    ) -> None:
        if count < 1:
            raise InputError(f"{count} workers", "at least one", "ask for one")
        self._places = [
            _Place(f"worker {slot}", share_settings(settings, slot, count), patience or Patience(), worker)
            for slot in range(count)
        ]

    def __len__(self) -> int:
        """Return how many workers there are to be."""
        return len(self._places)

    def start(self, tell: Tell, listener: WorkerListener) -> Sequence[ModelCard]:
        """Start all workers at the same time, and return the cards of their models once that has been tried with each.

        Those that cannot be started are tried again, like those that die, as long as there is another one.

        Raises:
            Error: of evocache, as the first one raises it, if none can be started; none is left then.
        """
        for place in self._places:
            place.start(tell, listener)
        try:
            found = [place.wait() for place in self._places]
            cards = [one for one in found if not isinstance(one, Error)]
            if not cards:
                raise next(one for one in found if isinstance(one, Error))
        except BaseException:
            self.close()
            raise
        for place in self._places:
            place.stay()
        return cards[0]

    @property
    def why_unready(self) -> str:
        """Why no worker takes tasks, in words; empty if one does."""
        if any(place.worker is not None for place in self._places):
            return ""
        return "; ".join(f"{place.name}: {place.why or 'it starts'}" for place in self._places)

    def figures(self) -> Mapping[str, Mapping[str, Any]]:
        """Return by name of the workers what they have done, how often they were replaced, and why they last were."""
        return {place.name: place.figures() for place in self._places}

    def close(self) -> None:
        """End all tasks, each of which is told, and all processes."""
        for place in self._places:
            place.leave()
        for place in self._places:
            place.join()


class _Place:
    """One worker after the other.

    Attributes:
        worker: the one that takes tasks now.
        why: the last one is gone, or the place was given up.
    """

    def __init__(self, name: str, settings: WorkerSettings, patience: Patience, kind: str) -> None:
        self.name, self.why = name, ""
        self.worker: ProcessWorker | None = None
        self._settings, self._patience, self._kind = settings, patience, kind
        self._current: ProcessWorker | None = None
        self._first: Sequence[ModelCard] | Error | None = None
        self._known = threading.Event()
        self._stays = threading.Event()
        self._gone = threading.Event()
        self._leaving = threading.Event()
        self._change = threading.Lock()
        self._replaced = self._soon = 0
        self._came = 0.0
        self._thread: threading.Thread | None = None

    def start(self, tell: Tell, listener: WorkerListener) -> None:
        """Fill the place, from now on."""
        name = f"evocache {self.name} supervised"
        self._thread = threading.Thread(target=self._run, args=(tell, listener), name=name, daemon=True)
        self._thread.start()

    def wait(self) -> Sequence[ModelCard] | Error:
        """Wait until it has been tried to start the first worker; return its cards, or why it cannot be started."""
        self._known.wait()
        assert self._first is not None
        return self._first

    def stay(self) -> None:
        """Try again if the first worker could not be started: others could."""
        self._stays.set()

    def leave(self) -> None:
        """Have the place left, with whatever is in it."""
        self._leaving.set()
        self._gone.set()
        self._stays.set()
        with self._change:
            current = self._current
        if current is not None and self.worker is None:  # it still starts
            current.close()

    def join(self) -> None:
        """Wait until it is left."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def figures(self) -> Mapping[str, Any]:
        """Return what its worker has done."""
        worker = self.worker
        own = {"replaced": self._replaced, "why": self.why, "ready": worker is not None}
        return {**({} if worker is None else worker.figures()), **own}

    def _run(self, tell: Tell, listener: WorkerListener) -> None:
        while not self._leaving.is_set():
            self._came = time.monotonic()
            try:
                self._fill(tell, listener)
            except Exception as error:
                self._came = time.monotonic()  # it has not lived
                self.why = str(error) if isinstance(error, Error) else f"{type(error).__name__}: {error}"
                log.error("%s cannot start: %s", self.name, self.why)
                if not self._known.is_set():
                    self._first = error if isinstance(error, Error) else _not_started(f"{self.name}, {self.why}")
                    self._known.set()
                    self._stays.wait()
            if self._leaving.is_set():
                break
            if self._give_up(time.monotonic() - self._came):
                listener.gave_up(self.name, self.why)
                break
            self._pause()
        if not self._known.is_set():
            self._first = _not_started(f"{self.name}, closed as it started")
            self._known.set()

    def _fill(self, tell: Tell, listener: WorkerListener) -> None:
        """Start a worker, and stay until it is gone."""
        self._gone.clear()
        ended: list[str] = []

        def note(why: str) -> None:
            ended.append(why)
            self._gone.set()

        worker = ProcessWorker(self._settings, name=self.name, worker=self._kind, when_gone=note)
        with self._change:
            self._current = worker
        if self._leaving.is_set():
            return
        cards = worker.start(tell)
        try:
            self.worker, self._first, self.why = worker, self._first or cards, ""
            self._came = time.monotonic()
            listener.came(self.name, worker, cards)
            self._known.set()
            self._attend(worker)
        finally:
            self.worker = None
            worker.close()
            self.why = self.why or (ended[0] if ended else "it was closed")
            listener.went(self.name, self.why)

    def _attend(self, worker: ProcessWorker) -> None:
        """Ask now and then whether it answers, until it is gone or the place is left."""
        patience, busy = self._patience, time.monotonic()
        while not self._gone.wait(patience.ping) and not self._leaving.is_set():
            now, silence = time.monotonic(), worker.silence
            busy = now if len(worker) else busy
            if silence > (patience.silence if now - busy > patience.silence else patience.busy):
                self.why = f"it did not answer for {silence:.0f} seconds"
                log.error("%s does not answer, and is killed", self.name)
                worker.kill()
            elif not silence:
                worker.ping()

    def _give_up(self, lived: float) -> bool:
        """Give the place up if its workers die soon, again and again; return whether it is given up."""
        self._soon = self._soon + 1 if lived < self._patience.soon else 0
        if self._soon < self._patience.deaths:
            return False
        self.why = f"given up after {self._soon} ends soon after the start, at last: {self.why}"
        log.error("%s is %s", self.name, self.why)
        return True

    def _pause(self) -> None:
        """Wait before the place is filled anew."""
        seconds = min(self._patience.longest, self._patience.first * 2 ** max(0, self._soon - 1))
        log.warning("%s is replaced in %g seconds", self.name, seconds)
        self._replaced += 1
        self._leaving.wait(seconds)


def _not_started(given: str) -> GenerationError:
    return GenerationError(given, "a worker that starts", "see what it wrote to the log before")


def share_settings(settings: WorkerSettings, slot: int, count: int) -> WorkerSettings:
    """Return the settings of one of several workers: its slot, and an even share of the processor's cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = max(1, cores // count) if settings.threads is None and count > 1 else settings.threads
    return replace(settings, slot=slot, threads=threads)
