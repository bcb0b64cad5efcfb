"""Calls of pipelines that stand still after each step, as an engine runs them: in threads that take turns."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Stepped:
    """A call that goes on by one step at each `next`, in a thread of its own; nothing else runs meanwhile.

    Args:
        call: makes the call, given a callback for the end of each step.
    """

    def __init__(self, call: Callable[[Callable[..., Any]], Any]) -> None:
        self._call = call
        self._go, self._still = threading.Semaphore(0), threading.Semaphore(0)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
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
