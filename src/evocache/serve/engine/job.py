"""A request and what becomes of it: what a user of the engine holds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import GenerationError
from ...runtime.joint.lane import meeting
from .isolation.generation_thread import Cancelled
from .means import Means


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        model: name of the pipeline.
        arguments: of its call.
        what: what is applied to it, as `evocache.apply` takes it.
        speedup: least speed-up of a point of the front.
        quality: least quality of a point of the front.
        seed: of its random numbers.
        user: whose it is.
        deadline: seconds from its arrival until it should have ended; None if it may take any.
        memory: bytes that it may hold, or a memory plan, as `evocache.apply` takes it; None if that is open.
    """

    model: str
    arguments: Mapping[str, Any]
    what: Any = None
    speedup: float | None = None
    quality: float | None = None
    seed: int = 0
    user: str = ""
    deadline: float | None = None
    memory: Any = None

    def means(self) -> Means:
        """Return how it is to be run."""
        wishes = {"speedup": self.speedup, "quality": self.quality}
        asked = {name: wish for name, wish in wishes.items() if wish is not None}
        return Means(self.arguments, self.what, asked, self.memory)


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        state: `queued`, `running`, `done`, `failed` or `cancelled`.
        step: denoising steps that have begun.
        steps: all of them; 0 while that is unknown.
        waited: seconds from its arrival to its start, or until now.
        seconds: seconds of computing that its turns took, shared with those that it was computed with by rows.
    """

    state: str
    step: int = 0
    steps: int = 0
    waited: float = 0.0
    seconds: float = 0.0


class Job:
    """A request in the engine, from its arrival to its result; threads may share it.

    Args:
        request: what is asked for.
        cancel: asks for its end.

    Attributes:
        request: what is asked for.
        arrived: when it arrived, by `time.monotonic`.
        notes: what is said of how it ran, such as that it had the engine to itself.
        means: how it is run.
        overtaken: how many jobs began before it although it was before them.
        seconds: of computing that its turns took, shared with those that it was computed with by rows.
    """

    def __init__(self, request: Request, cancel: Callable[[Job], None]) -> None:
        self.request = request
        self.arrived = time.monotonic()
        self.notes: list[str] = []
        self.means = request.means()
        self.overtaken = 0
        self._cancel: Callable[[Job], None] | None = cancel
        self._look: Callable[[], tuple[int, int]] | None = None
        self._started: float | None = None
        self.seconds = 0.0
        self._result: Any = None
        self._error: BaseException | None = None
        self._ended = threading.Event()

    @property
    def progress(self) -> Progress:
        """How far it is."""
        step, steps = (0, 0) if self._look is None else self._look()
        waited = (self._started if self._started is not None else time.monotonic()) - self.arrived
        return Progress(self.state, step, steps, waited, self.seconds)

    @property
    def state(self) -> str:
        """`queued`, `running`, `done`, `failed` or `cancelled`."""
        if not self._ended.is_set():
            return "queued" if self._started is None else "running"
        if self._error is None:
            return "done"
        return "cancelled" if isinstance(self._error, Cancelled) else "failed"

    def cancel(self) -> None:
        """End it: at once while it is queued, at the end of the turn at hand while it runs. `result` raises then."""
        if self._cancel is not None:
            self._cancel(self)

    def result(self, timeout: float | None = None) -> Any:
        """Wait for what the pipeline returns.

        Args:
            timeout: most seconds to wait.

        Raises:
            TimeoutError: if it is not there in time.
            GenerationError: if the job was cancelled; if it is asked for within another job, which would wait for ever.
            Exception: whatever the pipeline raised.
        """
        if not self._ended.is_set() and meeting.get() is not None:
            raise GenerationError(
                "a job waited for within a job", "a job that its caller waits for", "wait outside of it"
            )
        if not self._ended.wait(timeout):
            raise TimeoutError(f"no result within {timeout} seconds: {self.progress}")
        if isinstance(self._error, Cancelled):
            raise GenerationError("a job that was cancelled", "a job that runs to its end", "submit it again")
        if self._error is not None:
            raise self._error
        return self._result

    def slack(self, now: float) -> float | None:
        """Return the seconds until its deadline; None if it has none."""
        deadline = self.request.deadline
        return None if deadline is None else self.arrived + deadline - now

    def begin(self, look: Callable[[], tuple[int, int]]) -> None:
        """Note that its generation starts.

        Args:
            look: tells the step, and the number of steps.
        """
        self._started, self._look = time.monotonic(), look

    def spend(self, seconds: float) -> None:
        """Note that computing took seconds for it."""
        self.seconds += seconds

    def note(self, text: str) -> None:
        """Say something of how it ran, once."""
        if text not in self.notes:
            self.notes.append(text)

    def end(self, result: Any = None, error: BaseException | None = None) -> None:
        """Note that it is over, and let who waits go on."""
        self._result, self._error, self._cancel, self._look = result, error, None, None
        self._ended.set()
