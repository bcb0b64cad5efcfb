"""When previews are made, and at whose cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from PIL.Image import Image

from ....errors import GenerationError
from ....runtime.joint.lane import meeting
from ....runtime.joint.proof import is_out_of_memory
from ..isolation.generation_thread import GenerationThread
from ..isolation.global_state import StateSwap
from ..isolation.sharing import Sharing
from ..running import Running
from .pictures import pictures_of
from .tail import Tail
from .trace import Trace
from .wish import Wish

Spend = Callable[[Running, float], None]


class Previewer:
    """Makes previews of jobs that run, each in a turn of its own.

    A job's preview is made when the job has its turn, before the call that it waits with. No two turns after another
    are previews, whoever asks for how many: jobs that are computed together wait for at most one of them each step.

    Args:
        pipelines: by name.
        sharing: what requests change in the pipelines' modules.
        swap: who has the process's state.
        spend: is told the job, and the seconds that were computed for it.
    """

    def __init__(self, pipelines: Mapping[str, Any], sharing: Sharing, swap: StateSwap, spend: Spend) -> None:
        self._pipelines, self._sharing, self._swap, self._spend = pipelines, sharing, swap, spend
        self._rests = False

    def take_turn(self, chosen: Sequence[Running]) -> bool:
        """Make a preview of one of the jobs that have their turn, if one was asked for; whether the turn is over."""
        rests, self._rests = self._rests, False
        for one in chosen:
            wish = one.job.wish
            if wish is None or not one.job.wished or one.generation is None or one.waiting is None:
                continue
            one.trace.follow(one.generation, self._pipelines[one.job.request.model])
            if one.trace.known is not None and one.trace.known[0] == one.trace.moment(one.waiting.lane.stage):
                wish.answer(one.trace.known[1])
            elif not rests and self._preview(one, wish, one.waiting.lane.stage):
                self._rests = True
                return True
        return False

    def _preview(self, one: Running, wish: Wish, stage: str) -> bool:
        """Make a preview of a job, if it has made a step since it was asked for the first."""
        steps = one.trace.latest(stage)
        if not steps:
            return False
        began, request = time.perf_counter(), one.job.request
        guarded = self._sharing.changed(request.model)  # and shall stay so
        tail = partial(Tail, self._pipelines[request.model], one.trace, steps)
        plan = one.job.means.plan
        sliced = plan is not None and plan.decode is not None and bool(plan.decode.cuts)
        call = partial(_apart, tail, one.trace, request.arguments, guarded, sliced)
        thread = GenerationThread(call, self._swap, 0, one.job.surroundings, name="evocache preview", enter=one.enter)
        thread.resume()
        if not guarded and self._sharing.changed(request.model):
            self._sharing.give_back(request.model)
        if thread.error is None:
            one.trace.known = steps[0].when, thread.result
            wish.answer(thread.result)
        else:
            wish.refuse(_refusal(thread.error))
        self._spend(one, time.perf_counter() - began)
        return True


def _apart(
    begin: Callable[[], Tail], trace: Trace, arguments: Mapping[str, Any], guarded: bool, sliced: bool
) -> list[Image]:
    """In a thread of its own: hand nothing over, since all that is computed belongs to this turn.

    Where it fails with few latents, as autoencoders of fixed tiles and pipelines that look at the size of what they
    decoded do, all are decoded, from then on; not if there is no memory for that, as the job decodes in slices.
    """
    meeting.set(None)
    tail = begin()
    try:
        return pictures_of(tail.run(arguments, guarded=guarded))
    except GenerationError:
        raise
    except Exception as error:
        if sliced or not tail.shrunk or is_out_of_memory(error):
            raise
    trace.whole = True
    return pictures_of(begin().run(arguments, guarded=guarded))


def _refusal(error: BaseException) -> GenerationError:
    if isinstance(error, GenerationError):
        return error
    refused = GenerationError(
        f"a pipeline whose call cannot end here: {type(error).__name__}: {str(error).partition(chr(10))[0]}",
        "one whose call repeats itself with latents that are given",
        "wait for the result",
    )
    refused.__cause__ = error
    return refused
