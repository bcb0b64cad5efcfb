"""A job that runs: its pipeline object, what is applied to it, and the thread of its call."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from ...runtime.joint.lane import Lane
from ...runtime.joint.proof import is_out_of_memory
from ...runtime.joint.work import work_left
from .conditioning.conditioning import Asked, Conditioning
from .isolation.generation_thread import Answer, GenerationThread
from .isolation.global_state import StateSwap
from .isolation.own_pipeline import own_pipeline
from .isolation.sharing import Sharing
from .isolation.thread_state import thread_state
from .job import Job
from .prepared import Prepared
from .preview.trace import Trace
from .starting_state import StartingState
from .turns.batches import Waiting, waiting
from .turns.pausing import PAUSED

PRICED = 7
"""Of so many denoiser calls of a job that keeps its turn one is priced, and the first two: they cost alike, and telling
of what kind a call is takes longer than giving it its turn. Odd, as schedules often compute at every other step."""

Keeps = Callable[["Running", Lane], Answer | None]
"""Computes a call of a job at once; returns None if the turn has to be given away."""


class Running:
    """A job from its start to its end.

    Args:
        job: the job.
        sharing: has the pipeline that it shares modules with, and its LoRAs act on these.
        prepared: applies what it asks for.
        conditioning: what is held of encoders.
        number: of the job, in the order of arrival.
        swap: who has the process's state.
        keeps: computes its calls at once, as long as nobody else wants a turn.

    Raises:
        PipelineError: if it names LoRAs that are not loaded.

    Attributes:
        waiting: the call that it waits with; None before the first and after the last.
        served: seconds that its user had had when it had its latest turn, or began.
        favour: by what its seconds are divided where they are counted for its user.
        exclusive: whether no other may run before it is over, or has given back what it changed.
        held: the answer to its call, which it is given when no other is exclusive.
        short: whether memory was short for its call beside one that has stopped on its way.
        trace: what is kept of it for previews.
    """

    def __init__(
        self,
        job: Job,
        sharing: Sharing,
        prepared: Prepared,
        conditioning: Conditioning,
        number: int,
        swap: StateSwap,
        keeps: Keeps,
    ) -> None:
        self.job = job
        self.number = number
        self.served, self.favour = 0.0, 1.0
        self.exclusive = self.short = False
        self.held: Any = None
        self._swap, self._sharing, self._prepared, self._keeps = swap, sharing, prepared, keeps
        self._conditioning = conditioning
        self._shared = sharing.pipelines[job.request.model]
        sharing.check(job.request.model, job.request.loras)
        self._arguments = job.request.arguments
        self._start = StartingState(self._arguments)
        self._kept = 0
        self._begin()

    def _begin(self) -> None:
        self._seen = (0, 0)
        self.waiting: Waiting | None = None
        self.trace = Trace()
        self._pipe = own_pipeline(self._shared)
        self._handle: Any = None
        seed, around = self.job.request.seed, self.job.surroundings
        self.thread = GenerationThread(self._generate, self._swap, seed, around, self._meet, enter=self.enter)

    def begin_anew(self) -> bool:
        """Have its call begin anew, as if it had not been; return whether its arguments are what they were."""
        arguments = self._start.restore()
        if arguments is None:
            return False
        self._arguments = arguments
        self._begin()
        return True

    def enter(self) -> None:
        """Have its LoRAs act, and no others."""
        self._sharing.enter(self.job.request.model, self.job.request.loras)

    def wait_with(self, lane: Lane, state: object) -> Waiting:
        """Return a call of its own as one that waits: it meets none on which other LoRAs act."""
        return waiting(lane, (state, self._sharing.acting_on(lane.module, self.job.request.loras)))

    def _generate(self) -> Any:
        self.trace.listen()
        job, pipe = self.job, self._pipe
        with self._prepared.apply(pipe, job.request.model, job.means.what, job.means.plan) as self._handle:
            return pipe(**self._arguments)

    @property
    def generation(self) -> Any:
        """What follows its call; None before that begins."""
        handle = self._handle
        latest = None if handle is None else handle._state.latest
        return None if latest is None else latest.follower

    @property
    def left(self) -> tuple[float, float]:
        """Denoiser calls that are left, and their work, in calls that compute everything."""
        follower = self.generation
        if follower is None or not follower.clock.total:
            return 1.0, 1.0
        clock, compiled = follower.clock, follower.compiled
        schedule = None if compiled.gate is not None else compiled.schedule(clock.total)
        return float(clock.total - clock.step), work_left(schedule, max(0, clock.step), clock.total)

    @property
    def paused(self) -> bool:
        """Whether it waits in the middle of a call."""
        return self.waiting is not None and self.waiting.lane.alone is PAUSED

    @property
    def component(self) -> Any:
        """What it waits to call, or paused in; None before the first call and after the last."""
        return None if self.waiting is None else self.waiting.lane.module

    def is_priced(self) -> bool:
        """Return whether what a denoiser call that keeps its turn costs is to be noted; it is counted."""
        self._kept += 1
        return self._kept <= 2 or self._kept % PRICED == 0

    def own(self) -> None:
        """Give what it stores memory of its own: others with whom it was computed are gone.

        Where memory is short, it stays in that of the batch.
        """
        follower = self.generation
        try:
            if follower is not None:
                follower.store.own()
        except Exception as error:
            if not is_out_of_memory(error):
                raise

    def look(self) -> tuple[int, int]:
        """Return the step that it is in, or was in when its call ended, and the number of steps."""
        follower = self.generation
        return self._seen if follower is None else (follower.clock.step + 1, follower.clock.total)

    def _meet(self, lane: Lane) -> Answer | None:
        """Note the step where its call calls a component, in the thread of that; answer it if it needs no turn.

        That is an encoder's call whose output is held, and one whose turn is kept.
        """
        self._seen = self.look()
        return self._conditioning.meet(lane, partial(self._ask, lane.module)) or self._keeps(self, lane)

    def _ask(self, encoder: nn.Module) -> Asked:
        request = self.job.request
        acting = self._sharing.acting_on(encoder, request.loras)
        as_it_was = partial(self._sharing.is_as_it_was, request.model, encoder)
        return Asked((request.owner, acting, thread_state()), as_it_was, partial(getattr, self.job, "seconds"))

    def resume(self, answer: Any = None) -> None:
        """Let it go on until it waits again or is over."""
        self.waiting = None
        self.thread.resume(answer)
        if not self.thread.over and self.thread.lane is not None:
            try:
                self.waiting = self.wait_with(self.thread.lane, self.thread.state)
            except Exception as error:  # arguments that nothing can be told of: no other's fault
                self.thread.cancel()
                self.thread.error = error

    @property
    def over(self) -> bool:
        """Whether its call has returned or raised."""
        return self.thread.over
