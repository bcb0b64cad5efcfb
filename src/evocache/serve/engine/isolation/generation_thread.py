"""A pipeline's call as a coroutine: in a thread of its own, which runs only while the engine waits for it."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

from ....runtime.joint.lane import Lane, meeting
from .global_state import GlobalState, StateSwap
from .thread_state import Surroundings, thread_state

Answer = Callable[[], Any]
"""Called in the thread of a call that waits; returns or raises what that returns."""


class Cancelled(BaseException):
    """The request was cancelled; raised where its generation waits."""


class GenerationThread:
    """Runs a call until it hands a denoiser call over, or ends.

    Args:
        call: what is run.
        swap: who has the process's state.
        seed: what its random states begin with.
        surroundings: what its thread computes by.
        keeps: computes a call at once, in the thread, where nobody else wants a turn; returns None where somebody does.
        name: of the thread.
        enter: has what its call shares with others be as its own, before it goes on.

    Attributes:
        lane: the call that it waits with; None before it begins and when it is over.
        state: what its thread computes by.
        over: whether the call has returned or raised.
        result: what it returned.
        error: what it raised.
    """

    def __init__(
        self,
        call: Callable[[], Any],
        swap: StateSwap,
        seed: int,
        surroundings: Surroundings,
        keeps: Callable[[Lane], Answer | None] = lambda lane: None,
        name: str = "evocache generation",
        enter: Callable[[], None] = lambda: None,
    ) -> None:
        self.lane: Lane | None = None
        self.state: object = None
        self.over = False
        self.result: Any = None
        self.error: BaseException | None = None
        self._call: Callable[[], Any] | None = call
        self._globals = GlobalState(swap, seed)
        self._keeps, self._enter = keeps, enter
        self._go, self._parked = _closed_gate(), _closed_gate()
        self._answer: Answer | None = None
        run = surroundings.context.copy().run
        self._thread = threading.Thread(target=run, args=(self._run, surroundings), name=name, daemon=True)

    def resume(self, answer: Answer | None = None) -> bool:
        """Let it go on until it waits again or is over; nothing else runs meanwhile. Returns whether it is over.

        Args:
            answer: called in its thread; returns or raises what the call that it waits with returns.
        """
        self._answer = answer
        if self._thread.ident is None:
            self._thread.start()
        self._enter()
        self._globals.enter()
        self._go.release()
        self._parked.acquire()
        if self.over:
            self._thread.join()
            self._globals.end()
            _let_go(self.error)
        return self.over

    def cancel(self) -> None:
        """End it where it waits. A pipeline that catches this goes on, and is ended at its next denoiser call."""
        if self.over:
            return
        if self._thread.ident is None:
            self.over, self.error, self._call = True, Cancelled(), None
            return
        self._keeps = lambda lane: None  # whoever catches this keeps no turn
        for _ in range(TRIES):
            if self.resume(_cancel):
                return

    def _run(self, surroundings: Surroundings) -> None:
        meeting.set(self.meet)
        self._go.acquire()
        call, self._call = self._call, None
        try:
            assert call is not None
            with surroundings.entered():
                self.result = call()
        except BaseException as error:  # raised where the job's result is asked for
            self.error = error
        finally:
            del call, surroundings
            self.lane = self._answer = None
            self.over = True
            self._parked.release()

    def meet(self, lane: Lane) -> Any:
        """Wait with a call, in its own thread, and return what that returns."""
        kept = self._keeps(lane)
        if kept is not None:
            return kept()
        self.lane, self.state = lane, thread_state()
        self._parked.release()
        self._go.acquire()
        answer, self._answer, self.lane = self._answer, None, None
        return lane.compute() if answer is None else answer()


def _closed_gate() -> threading.Lock:
    """A lock that nobody owns: who acquires it waits until another thread releases it."""
    gate = threading.Lock()
    gate.acquire()
    return gate


def _let_go(error: BaseException | None) -> None:
    """Let go of what the functions held that an error came through, as latents: whoever keeps a job keeps its error."""
    known: set[int] = set()
    left = [error]
    while left:
        one = left.pop()
        if one is not None and id(one) not in known:
            known.add(id(one))
            traceback.clear_frames(one.__traceback__)
            left += [one.__cause__, one.__context__]


TRIES = 1000
"""How often a pipeline that catches its cancellation is told again."""


def _cancel() -> Any:
    raise Cancelled
