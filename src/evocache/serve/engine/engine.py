"""The engine: many generations of unmodified pipelines, step by step, computed together where that is exact."""

from __future__ import annotations

import atexit
import math
import secrets
import threading
import weakref
from collections import deque
from collections.abc import Mapping
from contextvars import copy_context
from numbers import Integral, Real
from typing import Any

from ...errors import GenerationError, PipelineError, short
from ...runtime.joint.lane import meeting
from ...units import in_bytes
from .conductor import Conductor
from .figures import Figures
from .isolation.baton import baton
from .isolation.generation_thread import Cancelled
from .job import Job, Request


class Engine:
    """Runs generations of pipelines, many at a time; a context manager.

    Each request runs its pipeline's own call, unchanged, under a schedule of its own. Where calls would call a text
    encoder, a denoiser or an autoencoder they wait, and the engine computes those together that give alone what they
    give in company: that is tried once for each kind of calls. One call is computed at a time.

    Args:
        pipelines: by name. While the engine runs they are its own: their modules are shared by all requests.
        front: what a `speedup` or `quality` that is asked for is taken from, as `evocache.apply` takes it; for several
            pipelines a mapping from their names. The front that ships with a model, if it is not given.
        memory: most bytes that weights, features of all open requests and one batch may take, such as `"10GB"`.
        rows: most rows of a batch, guidance's included.
        open: most requests that have begun and are not over.

    Raises:
        GenerationError: if `rows` or `open` is no number of at least 1.
        PipelineError: if there is no pipeline, or one without a name, a front for one that there is not, or a pipeline
            whose components its user has offloaded.
        BudgetError: if the weights alone take more than the memory.
        AmountError: if the memory is no number of bytes.

    >>> with Engine({"tiny": pipe}) as engine:
    ...     jobs = [engine.submit(prompt, num_inference_steps=4) for prompt in ("a red fox", "a blue hen")]
    ...     pictures = [job.result().images[0] for job in jobs]
    >>> len(pictures), jobs[0].state
    (2, 'done')
    """

    def __init__(
        self,
        pipelines: Mapping[str, Any],
        *,
        front: Any = None,
        memory: int | float | str | None = None,
        rows: int = 32,
        open: int = 16,
    ) -> None:
        if not isinstance(pipelines, Mapping) or not pipelines:
            raise PipelineError("an engine without a pipeline", "one or more, by name", 'Engine({"emoji": pipe})')
        for name, most_of in (("rows", rows), ("open", open)):
            if not isinstance(most_of, int) or most_of < 1:
                raise GenerationError(f"{name}={most_of!r}", "a whole number of at least 1", "give one, or none")
        self._names = list(pipelines)
        fronts = front if isinstance(front, Mapping) else dict.fromkeys(pipelines, front)
        for name in set(fronts) - set(pipelines):
            raise PipelineError(f"a front for {name!r}", f"one for {', '.join(self._names)}", "name the pipeline")
        most = None if memory is None else in_bytes(memory)
        self._queue: deque[Job] = deque()
        self._cancelled: set[Job] = set()
        self._change = threading.Condition()
        self._closing = False
        self._conductor = Conductor(dict(pipelines), fronts, most, rows, open, self._is_wanted)
        context = copy_context()  # what torch compiles by is each context's own
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="evocache engine", daemon=True)
        self._thread.start()
        _open.add(self)

    def submit(
        self,
        prompt: Any = None,
        *,
        model: str | None = None,
        what: Any = None,
        speedup: float | None = None,
        quality: float | None = None,
        seed: int | None = None,
        user: str = "",
        deadline: float | None = None,
        memory: Any = None,
        **arguments: Any,
    ) -> Job:
        """Ask for a generation.

        Args:
            prompt: given to the pipeline, if it is given here.
            model: name of the pipeline; the first, if it is not given.
            what: what is applied, as `evocache.apply` takes it; everything is computed, if nothing is asked for.
            speedup: least speed-up of a point of the front.
            quality: least quality of a point of the front.
            seed: of the random states of torch, numpy and `random` that its pipeline sees; drawn now, if not given. A
                pipeline that is given no generator draws from them.
            user: whose it is: users have even shares of the engine.
            deadline: seconds until it should have ended; it goes first when that is near.
            memory: most bytes that it may hold, weights of its pipeline included, or a memory plan, as `evocache.apply`
                takes it; components stay on their device. Without it, it is planned where the engine has a limit.
            arguments: further arguments of the pipeline's call.

        Raises:
            PipelineError: if there is no such pipeline.
            GenerationError: if the engine is closed; if the seed, the user or the deadline is none.
        """
        name = self._names[0] if model is None else model
        if name not in self._names:
            raise PipelineError(f"model {name!r}", f"one of {', '.join(self._names)}", "name one of them")
        _refuse_odd(seed, user, deadline)
        given = arguments if prompt is None else {"prompt": prompt, **arguments}
        drawn = secrets.randbits(48) if seed is None else int(seed)
        job = Job(Request(name, given, what, speedup, quality, drawn, user, deadline, memory), cancel=self._wish_cancel)
        with self._change:
            if self._closing:
                raise GenerationError("an engine that is closed", "one that runs", "make a new one")
            if not self._thread.is_alive():
                raise GenerationError("an engine of the process that this one was forked from", "one's own", "make one")
            self._queue.append(job)
            self._change.notify()
        return job

    @property
    def figures(self) -> Figures:
        """What it has done so far."""
        return self._conductor.figures

    def close(self) -> None:
        """Cancel what is queued or runs, and end all threads; the pipelines are what they were.

        Within one of its jobs, as in a callback, it returns at once: the job itself ends at its next call.
        """
        self._begin_to_close()
        if meeting.get() is not None:  # the engine's thread waits for this one
            return
        self._thread.join()

    def _begin_to_close(self) -> None:
        with self._change:
            self._closing = True
            self._change.notify()
        _open.discard(self)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wish_cancel(self, job: Job) -> None:
        with self._change:
            self._cancelled.add(job)
            self._change.notify()

    def _is_wanted(self) -> bool:
        """Whether somebody waits for the end of the turn at hand."""
        return bool(self._queue or self._cancelled or self._closing or baton.wanted)

    def _run(self) -> None:
        try:
            self._give_turns()
        except BaseException as error:  # a fault of the engine's own: nobody shall wait for it
            with self._change:
                self._closing = True
                left, self._queue = list(self._queue), deque()
            for job in left:
                self._conductor.end(job, error)
            self._conductor.abandon(error)
            raise
        finally:
            baton.give(self)

    def _give_turns(self) -> None:
        conductor, goes_on = self._conductor, True
        while goes_on:
            with self._change:
                while not (self._queue or self._cancelled or self._closing or conductor.busy):
                    self._change.wait()
            baton.take(self)
            goes_on = self._end_cancelled()
            if goes_on:
                self._begin_jobs()
                conductor.take_turn()
            if baton.wanted or not conductor.busy:
                conductor.give_state_back()
                baton.give(self)

    def _end_cancelled(self) -> bool:
        """End what was cancelled; whether the engine goes on."""
        conductor = self._conductor
        with self._change:
            closing, cancelled = self._closing, self._cancelled
            self._cancelled = set()
            dropped = [job for job in self._queue if closing or job in cancelled]
            for job in dropped:
                self._queue.remove(job)
        for job in dropped:
            conductor.end(job, Cancelled())
        conductor.cancel(None if closing else cancelled)
        return not closing

    def _begin_jobs(self) -> None:
        """Let queued jobs begin, as long as there is room for one; who cancels or submits meanwhile waits for none."""
        while True:
            with self._change:
                queued = list(self._queue)
            job = self._conductor.admit(queued) if queued else None
            if job is None:
                return
            with self._change:
                self._queue.remove(job)
            self._conductor.begin(job)


_open: weakref.WeakSet[Engine] = weakref.WeakSet()
"""Engines that run."""

AT_EXIT = 10.0
"""Most seconds that the end of the process waits for the turn that an engine is in."""


@atexit.register
def _close_all() -> None:
    """End engines with the process: a thread that computes while Python is taken down aborts it."""
    for engine in list(_open):
        engine._begin_to_close()
        engine._thread.join(AT_EXIT)


def _refuse_odd(seed: Any, user: Any, deadline: Any) -> None:
    """Refuse at the door what the engine's own thread would fail at, and all jobs with it."""
    if seed is not None and not (_is_a(Integral, seed) and -(1 << 63) <= seed < 1 << 64):
        raise GenerationError(f"seed {short(seed)}", "a whole number of at most 64 bits", "give one, or none")
    if not isinstance(user, str):
        raise GenerationError(f"user {short(user)}", "a text", "name the user")
    if deadline is not None and not (_is_a(Real, deadline) and not math.isnan(deadline)):
        raise GenerationError(f"deadline {short(deadline)}", "seconds", "give a number, or none")


def _is_a(kind: type, value: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
