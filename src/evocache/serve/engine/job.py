"""A request and what becomes of it: what a user of the engine holds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from PIL.Image import Image

from ...errors import GenerationError
from ...loading.loras import Loras
from ...runtime.joint.lane import meeting
from .isolation.generation_thread import Cancelled
from .isolation.thread_state import Surroundings
from .means import Means
from .preview.wish import Wish


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
        loras: LoRAs that act, and no others; None for what the pipeline's user has set.
        owner: whose what is held of encoders is.
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
    loras: Loras | None = None
    owner: str = ""

    def means(self) -> Means:
        """Return how it is to be run."""
        wishes = {"speedup": self.speedup, "quality": self.quality}
        asked = {name: wish for name, wish in wishes.items() if wish is not None}
        return Means(self.arguments, self.what, asked, self.memory, self.loras)


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
        surroundings: what the thread computes by that it is asked for in.
        overtaken: how many jobs began before it although it was before them.
        wish: the preview that was asked for last.
        seconds: of computing that its turns took, shared with those that it was computed with by rows.
    """

    def __init__(self, request: Request, cancel: Callable[[Job], None]) -> None:
        self.request = request
        self.arrived = time.monotonic()
        self.notes: list[str] = []
        self.means = request.means()
        self.surroundings = Surroundings()
        self.overtaken = 0
        self.wish: Wish | None = None
        self._cancel: Callable[[Job], None] | None = cancel
        self._look: Callable[[], tuple[int, int]] | None = None
        self._started: float | None = None
        self.seconds = 0.0
        self._result: Any = None
        self._error: BaseException | None = None
        self._ended = threading.Event()
        self._wishing = threading.Lock()
        self._reached = (0, 0)
        self._calls: list[Callable[[], None]] = []

    @property
    def progress(self) -> Progress:
        """How far it is, or was at its end."""
        look = self._look  # which goes when it ends, in another thread
        step, steps = self._reached if look is None else look()
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
        cancel = self._cancel
        if cancel is not None:
            cancel(self)

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

    def when_over(self, call: Callable[[], None]) -> None:
        """Have something called when it is over, once: at once if it is.

        It is called in the thread that ends the job, and holds up all others until it returns; what it raises is lost.
        """
        with self._wishing:
            if not self._ended.is_set():
                self._calls.append(call)
                return
        with suppress(Exception):
            call()

    @property
    def wished(self) -> bool:
        """Whether somebody waits for a preview."""
        return self.wish is not None and not self.wish.answered

    def preview(self, timeout: float | None = None) -> list[Image]:
        """Wait for what it would give by now, as small pictures; what it will give is the same with and without.

        It is made in the next turn of the job, from its latest step; the first time, from the next step that it makes.
        Its seconds are the user's. Of the same step there is one preview, however often it is asked for.

        Args:
            timeout: most seconds to wait.

        Returns:
            Pictures of at most 256 pixels a side, one for each that the job makes; of a video some of its first frames.

        Raises:
            TimeoutError: if they are not there in time.
            GenerationError: if the job is over before that; if its pipeline's call cannot be ended before its time; if
                it is asked for within another job, which would wait for ever.
        """
        if meeting.get() is not None:
            raise GenerationError(
                "a preview waited for within a job", "a preview that its caller waits for", "wait outside of it"
            )
        with self._wishing:
            if self._ended.is_set():
                raise _over()
            if not self.wished or self.wish is None:
                self.wish = Wish()
            wish = self.wish
        return wish.wait(timeout)

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
        with suppress(Exception):  # nobody waits for a job for ever, whatever fails
            self._reached = (0, 0) if self._look is None else self._look()
        self._result, self._error, self._cancel, self._look = result, error, None, None
        with self._wishing:
            self._ended.set()
            calls, self._calls = self._calls, []
            if self.wish is not None:
                self.wish.refuse(_over())
        for call in calls:
            with suppress(Exception):  # no fault of the engine's, which goes on for others
                call()


def _over() -> GenerationError:
    return GenerationError("a preview of a job that is over", "a job that denoises", "ask for its result")
