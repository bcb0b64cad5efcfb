"""What gives the turns: it lets generations run until they wait, and computes what they wait for."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from ...errors import PipelineError
from ...runtime.estimate.residency import offloaded, weights
from ...runtime.ops.recompute import Apart
from .figures import Figures
from .isolation.generation_thread import Cancelled
from .isolation.global_state import StateSwap
from .isolation.shared_changes import SharedState
from .job import Job
from .running import Running
from .turns.batches import Batches, Waiting
from .turns.order import Claim, Shares, order
from .turns.pieces import cut, join_outputs
from .turns.prices import Prices
from .turns.reservations import Room

PATIENCE = 2.0
"""Most seconds of a turn that encodes or decodes, in seconds of the latest denoising turn."""


class Conductor:
    """Gives the turns of an engine; used by one thread.

    Args:
        pipelines: by name.
        fronts: by the name of the pipeline.
        memory: most bytes; None if there is no limit.
        rows: most rows of a batch.
        open: most jobs that have begun and are not over.

    Attributes:
        figures: what was done.
    """

    def __init__(
        self, pipelines: Mapping[str, Any], fronts: Mapping[str, Any], memory: int | None, rows: int, open: int
    ) -> None:
        for name, pipe in pipelines.items():
            if offloaded(pipe):
                raise PipelineError(
                    f"pipeline {name!r} whose components are offloaded",
                    "one whose components stay on their device",
                    "do not call enable_model_cpu_offload, and give the engine memory= instead",
                )
        self.figures = Figures()
        self._pipelines, self._fronts = pipelines, fronts
        self._rows, self._open = rows, open
        self._room = Room(memory, sum(sum(weights(pipe).values()) for pipe in pipelines.values()))
        self._batches, self._prices, self._shares = Batches(), Prices(), Shares()
        self._swap = StateSwap()
        self._running: list[Running] = []
        self._shared: dict[str, SharedState] = {}
        self._number = 0

    @property
    def busy(self) -> bool:
        """Whether a job has begun and is not over."""
        return bool(self._running)

    def has_room(self, job: Job) -> bool:
        """Return whether a job may begin now."""
        if not self._running:
            return True
        if len(self._running) >= self._open or any(one.exclusive for one in self._running):
            return False
        if self._room.left is None:
            return True
        try:
            needs = job.reserve(self._pipelines[job.request.model], self._room.left)
        except Exception:  # raised anew where it begins, and told to whom it concerns
            return True
        return self._room.fits(needs, [one.job.needs for one in self._running])

    def begin(self, job: Job) -> None:
        """Let a job run until it waits for the first time."""
        name = job.request.model
        self._number += 1
        try:
            if self._room.left is not None:
                job.reserve(self._pipelines[name], self._room.left)
            if not any(one.job.request.model == name for one in self._running):
                self._shared[name] = SharedState(self._pipelines[name])
            one = Running(job, self._pipelines[name], self._fronts.get(name), self._number, self._swap)
        except Exception as error:  # the request's own fault: no other's
            self._count(job, error)
            return
        job.begin(one.look)
        self._running.append(one)
        self._go_on(one)

    def cancel(self, jobs: Collection[Job] | None) -> None:
        """End jobs where they wait; all of them, if none are named."""
        for one in list(self._running):
            if jobs is None or one.job in jobs:
                one.thread.cancel()
                self._end(one)

    def abandon(self, error: BaseException) -> None:
        """End all jobs because of an error that is none of theirs."""
        for one in self._running:
            one.job.end(error=error)
            one.thread.cancel()
        self._running.clear()
        self._swap.take_back()

    def take_turn(self) -> None:
        """Compute one call, or several together, and let their generations go on until they wait again."""
        if not self._running:
            return
        ones = self._by_turn(time.monotonic())
        by_call = {id(one.waiting): one for one in ones}
        calls = [one.waiting for one in ones if one.waiting is not None]
        first = calls[0]
        chosen = self._batches.company(first, calls[1:], self._most_rows(first))
        while len(chosen) > 1 and not self._fit([by_call[id(call)] for call in chosen]):
            chosen.pop()
        self.figures.turns += 1
        self.figures.calls += len(chosen)
        if len(chosen) > 1:
            self.figures.together += len(chosen)
            self._compute([by_call[id(call)] for call in chosen], chosen)
            return
        if len(calls) > 1:
            self.figures.alone[self._batches.why_alone(first)] += 1
        self._compute_alone(by_call[id(first)], first)

    def _by_turn(self, now: float) -> Sequence[Running]:
        """The jobs that may go on, in the order of their turns."""
        found = [one for one in self._running if one.exclusive] or self._running
        by_number = {one.number: one for one in found}
        claims = []
        for one in found:
            deadline = one.job.request.deadline
            slack = None if deadline is None else one.job.arrived + deadline - now
            claims.append(Claim(one.number, one.job.request.user, self._left(one), now - one.turned, slack))
        used = self._shares.update({claim.user for claim in claims})
        return [by_number[claim.number] for claim in order(claims, used)]

    def _left(self, one: Running) -> float:
        """Predicted seconds of a job's work; those of the call that it waits with, where no more is known."""
        call = one.waiting
        if call is None:
            return 0.0
        steps, work = one.left if call.lane.stage == "denoise" else (1.0, call.lane.work)
        return self._prices.predict(call.kind, call.lane.rows, work, steps) or 0.0

    def _most_rows(self, first: Waiting) -> int:
        """How many rows a turn may have: encoding and decoding shall not hold up denoising for long."""
        step = self._prices.turn("denoise")
        if first.lane.stage == "denoise" or step is None or len(self._running) == 1:
            return self._rows
        row = self._prices.predict(first.kind, 1, first.lane.work)
        return self._rows if not row else max(1, min(self._rows, int(PATIENCE * step / row)))

    def _fit(self, ones: Sequence[Running]) -> bool:
        if self._room.left is None:
            return True
        return self._room.together([one.job.needs for one in ones], [one.job.needs for one in self._running])

    def _compute_alone(self, one: Running, call: Waiting) -> None:
        lane, most = call.lane, self._most_rows(call)
        if lane.rows > most and not lane.alone and self._batches.may_cut(call):
            self._go_on(one, partial(self._in_pieces, one, cut(lane, most)))
            return
        began = time.perf_counter()

        def compute() -> Any:
            output = lane.compute()
            self._note([one], [call], time.perf_counter() - began)
            return output

        self._go_on(one, compute)

    def _in_pieces(self, one: Running, lanes: Sequence[Any]) -> Any:
        """In the thread of a job: wait with one piece after the other."""
        return join_outputs([one.thread.meet(lane) for lane in lanes])

    def _compute(self, ones: Sequence[Running], calls: Sequence[Waiting]) -> None:
        """Compute calls together, in the thread of the first, and let all go on."""
        outputs: list[Any] | None = None
        failed = False

        def lead() -> Any:
            nonlocal outputs, failed
            began = time.perf_counter()
            try:
                outputs = self._batches.compute(calls)
            except Exception as error:  # of all together, so no one's own
                failed = True
                self._batches.note_failure(calls, error)
                raise Apart from error
            if outputs is None:
                return calls[0].lane.compute()
            self._note(ones, calls, time.perf_counter() - began)
            return outputs[0]

        self._go_on(ones[0], lead)
        if failed:
            self.figures.anew += len(calls)
        for at, one in enumerate(ones[1:], 1):
            if failed:
                self._go_on(one, _make_anew)
            elif outputs is None:
                self._go_on(one)
            else:
                self._go_on(one, partial(_give, outputs, at))

    def _note(self, ones: Sequence[Running], calls: Sequence[Waiting], seconds: float) -> None:
        """Note what a turn cost, and charge it to its jobs by their rows."""
        rows = sum(max(1, call.lane.rows) for call in calls)
        work = sum(call.lane.work * max(1, call.lane.rows) for call in calls) / rows
        self._prices.note(calls[0].kind, calls[0].lane.stage, rows, work, seconds)
        for one, call in zip(ones, calls, strict=True):
            share = seconds * max(1, call.lane.rows) / rows
            one.job.spend(share)
            self._shares.spend(one.job.request.user, share)

    def _go_on(self, one: Running, answer: Any = None) -> None:
        one.resume(answer)
        one.turned = time.monotonic()
        if one.over:
            self._end(one)
        elif not one.exclusive and self._shared[one.job.request.model].changed:
            one.exclusive = True
            one.job.notes.append("it changed modules that it shares with others, and had the engine to itself")

    def _end(self, one: Running) -> None:
        self._running.remove(one)
        if one.exclusive and not self._shared[one.job.request.model].restore():
            one.job.notes.append("it left modules changed that others use")
            self._shared[one.job.request.model] = SharedState(self._pipelines[one.job.request.model])
        for other in self._running:
            other.own()
        if not self._running:
            self._swap.take_back()
        self._count(one.job, one.thread.error, one.thread.result)

    def _count(self, job: Job, error: BaseException | None, result: Any = None) -> None:
        if error is None:
            self.figures.done += 1
        elif isinstance(error, Cancelled):
            self.figures.cancelled += 1
        else:
            self.figures.failed += 1
        job.end(result, error)


def _make_anew() -> Any:
    raise Apart


def _give(outputs: list[Any], at: int) -> Any:
    output, outputs[at] = outputs[at], None
    return output
