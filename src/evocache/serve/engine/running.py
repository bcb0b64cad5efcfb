"""A job that runs: its pipeline object, what is applied to it, and the thread of its call."""

from __future__ import annotations

from typing import Any

from ...runtime import apply
from ...runtime.joint.work import work_left
from .isolation.generation_thread import GenerationThread
from .isolation.global_state import StateSwap
from .isolation.own_pipeline import own_pipeline
from .job import Job
from .turns.batches import Waiting, waiting


class Running:
    """A job from its start to its end.

    Args:
        job: the job.
        pipe: the pipeline that it shares modules with.
        front: what its wishes are of; None for the front that ships with the model.
        number: of the job, in the order of arrival.
        swap: who has the process's state.

    Attributes:
        waiting: the call that it waits with; None before the first and after the last.
        served: seconds that its user had had when it had its latest turn, or began.
        favour: by what its seconds are divided where they are counted for its user.
        exclusive: whether no other may run before it is over.
    """

    def __init__(self, job: Job, pipe: Any, front: Any, number: int, swap: StateSwap) -> None:
        self.job = job
        self.number = number
        self.served, self.favour = 0.0, 1.0
        self.exclusive = False
        self.waiting: Waiting | None = None
        self._front = front
        self._pipe = own_pipeline(pipe)
        self._handle: Any = None
        self.thread = GenerationThread(self._generate, swap, job.request.seed)

    def _generate(self) -> Any:
        request, pipe = self.job.request, self._pipe
        wishes = request.speedup is not None or request.quality is not None
        what = request.what if request.what is not None else self._front if wishes else "none"
        with apply(pipe, what, speedup=request.speedup, quality=request.quality) as self._handle:
            return pipe(**request.arguments)

    @property
    def _follower(self) -> Any:
        handle = self._handle
        latest = None if handle is None else handle._state.latest
        return None if latest is None else latest.follower

    @property
    def left(self) -> tuple[float, float]:
        """Denoiser calls that are left, and their work, in calls that compute everything."""
        follower = self._follower
        if follower is None or not follower.clock.total:
            return 1.0, 1.0
        clock, compiled = follower.clock, follower.compiled
        schedule = None if compiled.gate is not None else compiled.schedule(clock.total)
        return float(clock.total - clock.step), work_left(schedule, max(0, clock.step), clock.total)

    def own(self) -> None:
        """Give what it stores memory of its own: others with whom it was computed are gone."""
        follower = self._follower
        if follower is not None:
            follower.store.own()

    def look(self) -> tuple[int, int]:
        """Return the step that it is in, and the number of steps."""
        follower = self._follower
        return (0, 0) if follower is None else (follower.clock.step + 1, follower.clock.total)

    def resume(self, answer: Any = None) -> None:
        """Let it go on until it waits again or is over."""
        self.waiting = None
        self.thread.resume(answer)
        if not self.thread.over and self.thread.lane is not None:
            self.waiting = waiting(self.thread.lane, self.thread.state)

    @property
    def over(self) -> bool:
        """Whether its call has returned or raised."""
        return self.thread.over
