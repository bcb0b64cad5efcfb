"""Calls of pipelines that stand still after each step, as an engine runs them: in threads that take turns."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from evocache.runtime.attach import call_scope, interception
from tests.runtime.support import changes, snapshot
from tests.tiny import FAMILIES


class Stepped:
    """A call that goes on by one step at each `next`, in a thread of its own; nothing else runs meanwhile.

    Args:
        call: makes the call, given a callback for the end of each step.
    """

    def __init__(self, call: Callable[[Callable[..., Any]], Any]) -> None:
        self._call = call
        self._go, self._still = threading.Semaphore(0), threading.Semaphore(0)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)  # a test that fails leaves it waiting
        self.over = False
        self.result: Any = None
        self._thread.start()

    def _run(self) -> None:
        self._go.acquire()
        try:
            self.result = self._call(self._end_of_step)
        except BaseException as error:  # raised where it is asked on
            self._error = error
        self.over = True
        self._still.release()

    def _end_of_step(self, pipe: Any, step: int, timestep: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
        self._still.release()
        self._go.acquire()
        return kwargs

    def __next__(self) -> None:
        """Go on to the end of the next step, or of the call."""
        self._go.release()
        self._still.acquire()
        if self.over:
            self._thread.join()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def finish(self) -> Any:
        """Go on to the end; the result of the call."""
        while not self.over:
            next(self)
        return self.result


def take_turns(*calls: Stepped) -> list[Any]:
    """Go on with calls in turn, a step each, until all are over; their results."""
    while any(not call.over for call in calls):
        for call in calls:
            if not call.over:
                next(call)
    return [call.result for call in calls]


COPIES: dict[str, Callable[[Any], Any]] = {
    "one pipeline": lambda pipe: pipe,
    "a shallow copy": lambda pipe: with_scheduler(copy.copy(pipe)),
    "from_pipe": lambda pipe: with_scheduler(type(pipe).from_pipe(pipe)),
}


def with_scheduler(pipe: Any) -> Any:
    """The pipeline with a scheduler of its own, as diffusers asks of those that run at once."""
    pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@contextmanager
def nothing_stays(*pipes: Any) -> Iterator[None]:
    """After the context nothing is attached to a component of these pipelines, and no call is open."""
    before = [snapshot(pipe) for pipe in pipes]
    yield
    assert not interception._attached
    assert not call_scope._entered
    for pipe, was in zip(pipes, before, strict=True):
        left = {key for key in changes(was, snapshot(pipe)) if any(w in key for w in ("class", "evocache", "_hf_hook"))}
        assert left == set()


def generate(pipe: Any, **changed: Any) -> np.ndarray:
    return FAMILIES["sd15"].call(pipe, **changed)


def stepped(pipe: Any, **changed: Any) -> Stepped:
    return Stepped(lambda callback: generate(pipe, callback_on_step_end=callback, **changed))


FIRST: dict[str, Any] = {"seed": 0, "steps": 3}
SECOND: dict[str, Any] = {"seed": 1, "steps": 3, "height": 48, "width": 32}
"""Calls of different sizes; what else is asked for, diffusers keeps on the pipeline itself."""
