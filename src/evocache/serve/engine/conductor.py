"""What gives the turns: it lets jobs begin, decides whose turn it is, and ends them."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from ...errors import GenerationError
from ...runtime.joint.lane import Lane
from ...runtime.joint.proof import is_out_of_memory
from ...runtime.ops.recompute import Again
from ...units import format_bytes
from .adapters.switch import Adapters
from .budget import Budget, Memory
from .computing import Computing, make_anew
from .conditioning.conditioning import Conditioning
from .figures import Figures
from .isolation.generation_thread import Answer, Cancelled
from .isolation.global_state import StateSwap
from .isolation.sharing import Sharing
from .job import Job
from .prepared import Prepared
from .preview.previewer import Previewer
from .running import Running
from .turns.admission import Asked, choose, line
from .turns.order import Claim, Shares, favours, order


class Conductor:
    """Gives the turns of an engine; used by one thread.

    Args:
        pipelines: by name.
        fronts: by the name of the pipeline.
        memory: what all may hold.
        rows: most rows of a batch.
        open: most jobs that have begun and are not over.
        wanted: tells whether somebody waits for the end of a turn: a job to begin, or one to be cancelled.

    Attributes:
        figures: what was done.
        budget: what is held of the memory.
        kept: outputs of encoders.
    """

    def __init__(
        self,
        pipelines: Mapping[str, Any],
        fronts: Mapping[str, Any],
        memory: Memory,
        rows: int,
        open: int,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        self.figures = Figures()
        self.kept = Conditioning(memory.conditioning, self.figures)
        self._sharing = Sharing(pipelines, Adapters(self.figures), self.kept.forget)
        self._pipelines, self._prepared = pipelines, Prepared(pipelines, fronts)
        self.budget = Budget(pipelines, self._prepared, memory, self._sharing.own_pipeline)
        self._usual: dict[str, float] = {}
        self._shares, self._swap = Shares(), StateSwap()
        self._computing = Computing(rows, self.figures, self._spend, self._go_on, self._pauses)
        self._served: defaultdict[str, float] = defaultdict(float)
        self._open, self._wanted, self._number, self._noted = open, wanted, 0, 0.0
        self._previewer = Previewer(pipelines, self._sharing, self._swap, self._spend)
        self._running: list[Running] = []

    @property
    def busy(self) -> bool:
        """Whether a job has begun and is not over."""
        return bool(self._running)

    def admit(self, queued: Sequence[Job]) -> Job | None:
        """Return the queued job that may begin now; None if there is room for none."""
        if queued and len(self._running) == 1:  # nobody else was concerned until now
            self._look_at(self._running[0])
        if self._running and (len(self._running) >= self._open or any(one.exclusive for one in self._running)):
            return None
        now, jobs = time.monotonic(), dict(enumerate(queued))
        asked = [
            Asked(at, job.request.user, job.overtaken, self._usual.get(job.request.model, 0.0), job.slack(now))
            for at, job in jobs.items()
        ]
        waiting = line(asked, Counter(one.job.request.user for one in self._running))
        found, passed = choose(waiting, lambda one: self.budget.has_room(jobs[one.number], self._running))
        for one in passed:
            jobs[one.number].overtaken += 1
        return None if found is None else jobs[found.number]

    def begin(self, job: Job) -> None:
        """Let a job run until it waits for the first time."""
        name = job.request.model
        self._number += 1
        try:
            job.means.check()
            if self._sharing.open(name, any(one.job.request.model == name for one in self._running)):
                self._prepared.forget()
                self.budget.weigh()
            self.budget.begin(job)
            one = Running(job, self._sharing, self._prepared, self.kept, self._number, self._swap, self._keep_turn)
        except Exception as error:  # the request's own fault: no other's
            self.end(job, error)
            return
        job.begin(one.look)
        one.served = self._served[job.request.user]
        self._running.append(one)
        self._go_on(one)

    def cancel(self, jobs: Collection[Job] | None) -> None:
        """End jobs where they wait; all of them, if none are named."""
        for one in list(self._running):
            if jobs is None or one.job in jobs:
                one.thread.cancel()
                if not one.over:
                    one.job.note("its pipeline catches its cancellation each time, and its thread waits for ever")
                elif not isinstance(one.thread.error, Cancelled):
                    one.job.note("its pipeline caught its cancellation, and what it went on to return or raise is lost")
                self._end(one, Cancelled())

    def abandon(self, error: BaseException) -> None:
        """End all jobs because of an error that is none of theirs."""
        for one in self._running:
            with suppress(Exception):  # what failed may fail again: all others are told all the same
                one.thread.cancel()
            self.end(one.job, error)
        self._running.clear()
        self.give_state_back()

    def give_state_back(self) -> None:
        """Have the process's own random states and flags be its again, and users' LoRAs act, until a job goes on."""
        self._swap.take_back()
        self._sharing.leave()

    def take_turn(self) -> None:
        """Compute one call, or several together, and let their generations go on until they wait again."""
        for one in [one for one in self._running if one.held is not None]:
            answer, one.held = one.held, None
            self._go_on(one, answer)
        if not self._running:
            return
        ones = self._by_turn(time.monotonic())
        chosen = self._computing.company(ones)
        while len(chosen) > 1 and not self._fit(chosen):
            chosen.pop()
        if not any(one.paused for one in self._running) and self._previewer.take_turn(chosen):
            return
        chosen = self._let_out(chosen, ones)
        self._computing.take_turn(chosen, [one for one in ones if one not in chosen])
        for one in chosen:
            one.served = self._served.get(one.job.request.user, 0.0)

    def _let_out(self, chosen: list[Running], ones: Collection[Running]) -> list[Running]:
        """Who has the turn: jobs, or one on its way through what they would enter, whose caches are its own till then.

        Likewise where there is no memory for both. One that may not go on meanwhile begins its call anew.
        """
        for inside in [one for one in self._running if one.paused and one not in chosen]:
            if inside.component is chosen[0].component or any(one.short for one in chosen) or not self._fit(chosen):
                if inside in ones:
                    return [inside]
                inside.resume(partial(make_anew, Again))
                self.figures.anew += 1
        return chosen

    def _keep_turn(self, one: Running, lane: Lane) -> Answer | None:
        """What computes a call of the only job that runs, in its thread, without a change of threads.

        None if others run, or somebody waits for the turn to end.
        """
        if len(self._running) > 1 or self._wanted() or one.job.wished or not self._computing.fits(lane):
            return None
        user = one.job.request.user
        if not self._shares.is_alone(user):
            self._shares.update({user})  # what it has had alone it does not owe to who comes later
        one.served = self._served[user]
        return partial(self._computing.compute_kept, one, lane)

    def _by_turn(self, now: float) -> Sequence[Running]:
        """The jobs that may go on, in the order of their turns."""
        found = [one for one in self._running if one.exclusive] or self._running
        by_number = {one.number: one for one in found}
        claims = [self._claim(one, now) for one in found]
        for number, favour in favours(claims).items():
            by_number[number].favour = favour
        used = self._shares.update({claim.user for claim in claims})
        return [by_number[claim.number] for claim in order(claims, used)]

    def _claim(self, one: Running, now: float) -> Claim:
        """What a job has to say for itself; its work is that of the call it waits with, where no more is known."""
        job, call, user = one.job, one.waiting, one.job.request.user
        turn = left = 0.0
        if call is not None:
            steps, work = one.left if call.lane.stage == "denoise" else (1.0, call.lane.work)
            predict = self._computing.prices.predict
            turn = predict(call.kind, call.lane.rows, call.lane.work) or 0.0
            left = predict(call.kind, call.lane.rows, work, steps) or 0.0
        return Claim(one.number, user, left, turn, job.seconds, self._served[user] - one.served, job.slack(now))

    def _spend(self, one: Running, seconds: float, *, turn: bool = True) -> None:
        """Charge what a turn took, or what was done between turns, to a job, and to its user."""
        user = one.job.request.user
        self._noted += seconds
        one.job.spend(seconds)
        self._served[user] += seconds
        self._shares.spend(user, seconds, one.favour, turn=turn)

    def _fit(self, ones: Sequence[Running]) -> bool:
        return self.budget.fits(ones, self._running)

    def _pauses(self, one: Running) -> bool:
        """Whether a job stops on its way through a call: others wait, for whom there is memory beside it."""
        others = [other for other in self._running if other is not one]
        if one.exclusive or any(other.short or not self._fit([one, other]) for other in others):
            return False
        return bool(others) or self._wanted()

    def _go_on(self, one: Running, answer: Any = None) -> None:
        if one.thread.over:  # by what another job of the turn did to what they share
            return
        if any(other.exclusive and other is not one for other in self._running):
            one.held = answer  # of a turn that both were in
            return
        began, before, alone = time.perf_counter(), self._noted, len(self._running) == 1
        one.resume(answer)
        between = time.perf_counter() - began - (self._noted - before)
        if alone:  # for as many turns as nobody else wanted: it owes them to nobody
            one.job.spend(max(0.0, between))
        else:  # what its pipeline and its callbacks do between calls
            self._spend(one, max(0.0, between), turn=False)
        if one.over and self._begins_anew(one):
            self._go_on(one)
        elif one.over:
            self._end(one)
        elif len(self._running) > 1:
            self._look_at(one)

    def _begins_anew(self, one: Running) -> bool:
        """Have a job that memory was short for begin anew under a tighter plan; whether there is one."""
        error = one.thread.error
        if error is None or not is_out_of_memory(error) or not self.budget.tighten(one.job):
            return False
        del error
        self._give_back(one)
        if not one.begin_anew():
            return False
        one.exclusive = False
        plan = one.job.means.plan
        assert plan is not None
        one.job.note(f"memory was short, and it began anew within {format_bytes(plan.peak)}, weights included")
        self.figures.tightened += 1
        return True

    def _look_at(self, one: Running) -> None:
        """Have nobody else go on while modules are changed that others use."""
        one.exclusive = self._sharing.changed(one.job.request.model)
        if one.exclusive:
            one.job.note("it changed modules that it shares with others, and had the engine to itself meanwhile")

    def _give_back(self, one: Running) -> None:
        """Have shared modules be what they were before a job changed them; who depends on more than can be, fails."""
        left, concerned = self._sharing.give_back(one.job.request.model)
        if not left:
            return
        what = f"{left[0]}{f' and {len(left) - 1} more' if len(left) > 1 else ''}"
        one.job.note(f"it left changed what others use: {what}")
        for other in [o for o in self._running if o is not one and o.job.request.model in concerned]:
            other.thread.cancel()
            self._running.remove(other)
            error = GenerationError(f"{what}, changed by another job", "modules as they were", "submit it again")
            self.end(other.job, error)

    def _end(self, one: Running, error: BaseException | None = None) -> None:
        self._running.remove(one)
        try:
            self._give_back(one)
            for other in self._running:
                other.own()
            if not self._running:
                self.give_state_back()
            user = one.job.request.user
            if all(other.job.request.user != user for other in self._running):
                self._served.pop(user, None)
        finally:  # nobody waits for a job for ever, whatever fails
            self.end(one.job, error or one.thread.error, None if error else one.thread.result)

    def end(self, job: Job, error: BaseException | None, result: Any = None) -> None:
        """Count a job that is over, and let who waits for it go on."""
        if error is None:
            self.figures.done += 1
            usual = self._usual.get(job.request.model, job.seconds)
            self._usual[job.request.model] = usual + (job.seconds - usual) / 4
        elif isinstance(error, Cancelled):
            self.figures.cancelled += 1
        else:
            self.figures.failed += 1
        job.end(result, error)
