"""What a turn computes: one call or several together, in pieces where it is long, anew where it failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ...runtime.joint.lane import SLICED, Lane
from ...runtime.joint.proof import is_out_of_memory
from ...runtime.ops.recompute import Again, Apart
from .figures import Figures
from .isolation.thread_state import thread_state
from .running import Running
from .turns.batches import Batches, Waiting
from .turns.gains import Gains
from .turns.pausing import PAUSED, Pausing, may_pause
from .turns.pieces import cut, join_outputs
from .turns.prices import FIXED, Prices
from .turns.sizes import count_graphs

NO_GAIN = "calls of its kind cost no less together"
"""Why a call is computed by itself although others of its kind wait."""

PATIENCE = 2.0
"""Most seconds of a turn that encodes or decodes while others wait, in steps of those whose steps are shortest."""

OVERLONG = 1.5
"""Turns that take so many times what a turn may take are counted: an operation is not cut."""

Spend = Callable[[Running, float], None]
GoOn = Callable[[Running, Any], None]
Pauses = Callable[[Running], bool]


class Computing:
    """Computes the calls that jobs wait with.

    Args:
        rows: most rows of a batch.
        figures: what was done is counted there.
        spend: is told a job, and the seconds that were computed for it.
        go_on: lets a job go on until it waits again: it calls the answer, if there is one, in the job's thread.
        pauses: whether a job stops on its way through a call, for others or for its cancellation.

    Attributes:
        prices: what calls cost.
    """

    def __init__(self, rows: int, figures: Figures, spend: Spend, go_on: GoOn, pauses: Pauses) -> None:
        self.prices = Prices()
        self._batches = Batches()
        self._gains = Gains()
        self._apart = False
        self._rows, self._figures, self._spend, self._go_on = rows, figures, spend, go_on
        self._pauses = pauses

    def company(self, ones: Sequence[Running]) -> list[Running]:
        """Return the jobs whose calls are computed together in the next turn, the first of these among them.

        Args:
            ones: jobs that wait, in the order of their turns.
        """
        calls = [one.waiting for one in ones if one.waiting is not None]
        by_call = {id(one.waiting): one for one in ones}
        most = self._most_rows(calls[0], calls[1:])
        chosen = self._batches.company(calls[0], calls[1:], most)
        self._apart = len(chosen) > 1 and not self._gains.pays(calls[0].kind)
        return [by_call[id(call)] for call in (chosen[:1] if self._apart else chosen)]

    def fits(self, lane: Lane) -> bool:
        """Return whether a call is computed as a whole where no other waits."""
        return lane.rows <= self._rows

    def compute_kept(self, one: Running, lane: Lane) -> Any:
        """Compute a call in the thread of its job, which keeps its turn, and return what it returns."""
        self._figures.turns += 1
        self._figures.calls += 1
        if lane.stage != "denoise" or one.is_priced():
            return self._computed(one, one.wait_with(lane, thread_state()))
        began = time.perf_counter()
        output = lane.compute()
        self._spend(one, time.perf_counter() - began)
        return output

    def take_turn(self, chosen: Sequence[Running], others: Sequence[Running]) -> None:
        """Compute the calls of jobs, and let these go on until they wait again.

        Args:
            chosen: the jobs.
            others: those that wait besides.
        """
        besides = [one.waiting for one in others if one.waiting is not None]
        calls = [one.waiting for one in chosen if one.waiting is not None]
        self._figures.turns += 1
        self._figures.calls += len(chosen)
        for one in chosen:
            one.short = False
        if len(chosen) > 1:
            self._figures.together += len(chosen)
            self._together(chosen, calls)
            self._figures.graphs = self._batches.graphs
            return
        if besides:
            self._figures.alone[NO_GAIN if self._apart else self._batches.why_alone(calls[0])] += 1
        self._alone(chosen[0], calls[0], besides)

    def _most_rows(self, first: Waiting, others: Sequence[Waiting]) -> int:
        """How many rows a turn may have: encoding and decoding shall not hold up denoising for long."""
        limit, row = self._limit(first), self.prices.predict(first.kind, 1, first.lane.work)
        return self._rows if limit is None or not row or not others else max(1, min(self._rows, int(limit / row)))

    def _limit(self, call: Waiting) -> float | None:
        """Most seconds of a turn while others wait; None if it may take any."""
        step = self.prices.step
        return None if call.lane.stage == "denoise" or step is None else PATIENCE * step

    def _alone(self, one: Running, call: Waiting, others: Sequence[Waiting]) -> None:
        lane, most = call.lane, self._most_rows(call, others)
        if lane.alone is PAUSED:
            self._go_on(one, None)
            return
        if lane.rows > most and not lane.alone and self._batches.may_cut(call):
            self._go_on(one, partial(_in_pieces, one, cut(lane, most)))
            return
        beside = any(other.lane.alone is PAUSED for other in others)
        meets_anew = not lane.alone or lane.stage != "denoise"
        compute = self._unless_short if beside and meets_anew else self._computed
        self._go_on(one, partial(compute, one, call))

    def _unless_short(self, one: Running, call: Waiting) -> Any:
        """In the thread of a job: compute its call beside one that has stopped; after that, if memory is short."""
        try:
            return self._computed(one, call)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        one.short = True
        one.job.note("memory was short beside a call that had stopped on its way, and it was computed after that")
        self._figures.anew += 1
        raise Again

    def _computed(self, one: Running, call: Waiting) -> Any:
        """In the thread of a job: compute its call, and note what that took."""
        lane, limit = call.lane, self._limit(call)
        if limit is not None:
            predicted = self.prices.predict(call.kind, lane.rows, lane.work)
            long = predicted is None or predicted > limit
            if long and lane.alone != SLICED and may_pause(lane.module):
                return self._pausing(one, call, limit)
        began = time.perf_counter()
        output = lane.compute()
        seconds = time.perf_counter() - began
        self._figures.overlong += limit is not None and seconds > OVERLONG * limit and self._pauses(one)
        self._note([one], [call], seconds)
        return output

    def _pausing(self, one: Running, call: Waiting, limit: float) -> Any:
        """In the thread of a job: compute a call that is longer than a turn, and wait on the way."""
        lane, turns, waited = call.lane, [0.0], self._pauses(one)
        predicted = self.prices.predict(call.kind, lane.rows, lane.work) or max(limit, 1e-6)

        def turned(seconds: float) -> None:
            turns.append(seconds)
            self._spend(one, seconds)
            self._figures.overlong += waited and seconds > OVERLONG * limit

        def pause(seconds: float) -> bool:
            nonlocal waited
            if not self._pauses(one):
                return False
            turned(seconds)
            self._figures.paused += 1
            left = max(0.1, 1.0 - sum(turns) / predicted) * lane.work
            one.thread.meet(replace(lane, original=_nothing, alone=PAUSED, work=left))
            waited = self._pauses(one)
            return True

        graphs = count_graphs(lane)
        with Pausing(limit, pause, turned):
            output = lane.compute()
        if count_graphs(lane) == graphs:
            self._note_cost([call], sum(turns))
        return output

    def _together(self, ones: Sequence[Running], calls: Sequence[Waiting]) -> None:
        """Compute calls together, in the thread of the first, and let all go on."""
        outputs: list[Any] | None = None
        anew: type[Apart] | None = None

        def lead() -> Any:
            nonlocal outputs, anew
            known, graphs = self._batches.may_cut(calls[0]), count_graphs(calls[0].lane)
            began = time.perf_counter()
            try:
                outputs = self._batches.compute(calls)
            except Exception as error:  # of all together, so no one's own
                anew = self._batches.note_failure(calls, error)
            if anew is not None:  # when all that was computed is let go
                raise anew
            if outputs is None:
                return calls[0].lane.compute()
            usual = known and count_graphs(calls[0].lane) == graphs
            self._note(ones, calls, time.perf_counter() - began, usual=usual)
            return outputs[0]

        self._go_on(ones[0], lead)
        if anew is not None:
            self._figures.anew += len(calls)
        if anew is Again:
            self._figures.split += 1
            for one in ones:
                one.job.note("memory was short for all that it was computed with, and it was computed with fewer")
        for at, one in enumerate(ones[1:], 1):
            if anew is not None:
                self._go_on(one, partial(make_anew, anew))
            elif outputs is None:
                self._go_on(one, None)
            else:
                self._go_on(one, partial(_give, outputs, at))

    def _note(self, ones: Sequence[Running], calls: Sequence[Waiting], seconds: float, *, usual: bool = True) -> None:
        """Note what a turn cost, and charge it to its jobs by their rows.

        Args:
            ones: the jobs.
            calls: the call of each.
            seconds: of computing.
            usual: whether others like it are going to cost as much: nothing was proved or compiled in it.
        """
        if usual:
            self._note_cost(calls, seconds)
        rows = sum(max(1, call.lane.rows) for call in calls)
        for one, call in zip(ones, calls, strict=True):
            self._spend(one, seconds * max(1, call.lane.rows) / rows)

    def _note_cost(self, calls: Sequence[Waiting], seconds: float) -> None:
        """Note what calls cost that were computed together, or by themselves."""
        first = calls[0]
        rows = sum(max(1, call.lane.rows) for call in calls)
        work = sum(call.lane.work * max(1, call.lane.rows) for call in calls) / rows
        self.prices.note(first.kind, first.lane.stage, rows, work, seconds)
        self._gains.note(first.kind, len(calls), seconds / (rows * (work + FIXED)))


def _in_pieces(one: Running, lanes: Sequence[Any]) -> Any:
    """In the thread of a job: wait with one piece after the other."""
    return join_outputs([one.thread.meet(lane) for lane in lanes])


def _nothing(*_: Any, **__: Any) -> None:
    """Stands in for the rest of a call."""


def make_anew(how: type[Apart]) -> Any:
    """Have the call that a job waits with, or is in the middle of, begin anew, in the thread of the job."""
    raise how


def _give(outputs: list[Any], at: int) -> Any:
    output, outputs[at] = outputs[at], None
    return output
