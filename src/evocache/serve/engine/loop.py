"""The thread in which an engine gives its turns, and what others ask of it from theirs."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextvars import copy_context

from ...errors import GenerationError
from ...runtime.joint.lane import meeting
from .conductor import Conductor
from .isolation.baton import baton
from .isolation.generation_thread import Cancelled
from .job import Job

AT_EXIT = 10.0
"""Most seconds that the end of the process waits for the turn that a loop is in."""


class Loop:
    """Lets jobs begin and gives them turns, in a thread of its own; who asks for something may be in any.

    Args:
        conduct: makes what gives the turns; it is given what tells whether somebody waits for the end of one, and what
            is called when something has come that jobs wait for.

    Attributes:
        conductor: gives the turns.
        change: held while the queue, or what is asked for, changes.
    """

    def __init__(self, conduct: Callable[[Callable[[], bool], Callable[[], None]], Conductor]) -> None:
        self.change = threading.Condition()
        self.conductor = conduct(self._is_wanted, self._come)
        self._queue: deque[Job] = deque()
        self._cancelled: set[Job] = set()
        self._closing = self._dropped = self._asked = False
        context = copy_context()  # what torch compiles by is each context's own
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="evocache engine", daemon=True)
        self._thread.start()
        _running.add(self)

    def submit(self, job: Job) -> None:
        """Let a job wait for its beginning.

        Raises:
            GenerationError: if it is closed, or of the process that this one was forked from.
        """
        with self.change:
            if self._closing:
                raise GenerationError("an engine that is closed", "one that runs", "make a new one")
            if not self._thread.is_alive():
                raise GenerationError("an engine of the process that this one was forked from", "one's own", "make one")
            self._queue.append(job)
            self._asked = True
            self.change.notify()

    def cancel(self, job: Job) -> None:
        """Ask for the end of a job."""
        with self.change:
            self._cancelled.add(job)
            self.change.notify()

    def close(self) -> None:
        """Cancel all jobs, and end the thread; in a job's own thread, for which it waits, without waiting for it."""
        self._begin_to_close()
        if meeting.get() is None:
            self._thread.join()

    def drop(self) -> None:
        """End the thread when all jobs are over: nobody can submit any more."""
        with self.change:
            self._dropped = True
            self.change.notify()

    def end(self, seconds: float) -> None:
        """Close it, and wait some seconds for its thread."""
        self._begin_to_close()
        self._thread.join(seconds)

    def _begin_to_close(self) -> None:
        with self.change:
            self._closing = True
            self.change.notify()

    def _come(self) -> None:
        """In any thread: something has come that jobs wait for."""
        with self.change:
            self.change.notify()

    def _is_wanted(self) -> bool:
        """Whether somebody waits for the end of the turn at hand."""
        return bool(self._queue or self._cancelled or self._closing or baton.wanted)

    def _run(self) -> None:
        try:
            self._give_turns()
        except BaseException as error:  # a fault of the engine's own: nobody shall wait for it
            with self.change:
                self._closing = True
                left, self._queue = list(self._queue), deque()
            for job in left:
                self.conductor.end(job, error)
            self.conductor.abandon(error)
            raise
        finally:
            self.conductor.kept.forget()
            baton.give(self)
            _running.discard(self)

    def _give_turns(self) -> None:
        conductor = self.conductor
        while self._wait():
            baton.take(self)
            if not self._end_cancelled():
                return
            self._begin_jobs()
            conductor.take_turn()
            if baton.wanted or not conductor.busy:
                conductor.give_state_back()
                baton.give(self)

    def _wait(self) -> bool:
        """Wait until there is something to do; whether there is."""
        with self.change:
            while not (self._may_begin() or self._cancelled or self._closing or self.conductor.busy):
                if self._dropped and not self._queue:
                    return False
                self.change.wait()
        return True

    def _may_begin(self) -> bool:
        """Whether a queued job may begin: all have been looked at, if weights are on their way that they wait for."""
        return bool(self._queue) and (self._asked or not self.conductor.budget.awaits)

    def _end_cancelled(self) -> bool:
        """End what was cancelled; whether the engine goes on."""
        with self.change:
            closing, cancelled = self._closing, self._cancelled
            self._cancelled = set()
            dropped = [job for job in self._queue if closing or job in cancelled]
            for job in dropped:
                self._queue.remove(job)
        for job in dropped:
            self.conductor.end(job, Cancelled())
        self.conductor.cancel(None if closing else cancelled)
        return not closing

    def _begin_jobs(self) -> None:
        """Let queued jobs begin, as long as there is room for one; who cancels or submits meanwhile waits for none."""
        while True:
            with self.change:
                queued, self._asked = list(self._queue), False
            job = self.conductor.admit(queued) if queued else None
            if job is None:
                return
            with self.change:
                self._queue.remove(job)
            self.conductor.begin(job)


_running: weakref.WeakSet[Loop] = weakref.WeakSet()
"""Loops whose threads live."""


@atexit.register
def _end_all() -> None:
    """End loops with the process: a thread that computes while Python is taken down aborts it."""
    for loop in list(_running):
        loop.end(AT_EXIT)
