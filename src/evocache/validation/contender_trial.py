"""A trial: contenders on one pipeline and held-out prompts, judged, drawn and timed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import BudgetError, RunError
from ..memory.planner.planner import MemoryPlan
from ..metrics import Timing, time_interleaved
from ..metrics.clocks import Clock
from ..schedule.front.comparison import Spread
from ..search.evaluate.faults import is_device_fault
from ..search.evaluate.local import LocalEvaluator
from ..search.evaluate.quality import Quality
from ..search.evaluate.workload import Workload
from ..search.optimise.job import Failure
from .contender import Contender, apply_contender
from .memory_peaks import choose_step_arguments, measure_peaks, plan_contender, plan_contenders
from .proof_file import UNCACHED
from .time_budget import ROUNDS, MeasuredPace, allows_another_round

Figures = dict[str, float]
Plans = Mapping[str, MemoryPlan | None]
Tell = Callable[[str], None]
PACED = 4
"""Prompts in the call that the pace is measured on; a single one is beside it."""

PACING = 0.1
"""Share of a trial's time that a whole batch may take, where the pace is measured on it."""

Judge = Callable[[list[int], list[str]], Sequence[float]]


class ContenderTrial:
    """One pipeline and held-out prompts, under whatever contends. Where a name is asked for, `uncached` is one, too.

    Args:
        pipe: the pipeline; it is left as it was.
        quality: how outputs are judged.
        workload: the held-out prompts.
        within: bytes that no generation may hold.
        seconds: that the trial may take; where a whole batch is a small part of that, the pace is measured on it.

    Raises:
        BudgetError: if the uncached generation cannot be made to fit.
        RunError: if the pipeline fails uncached.
    """

    def __init__(
        self,
        pipe: Any,
        quality: Quality,
        workload: Workload,
        within: int | None = None,
        seconds: float = math.inf,
    ) -> None:
        self.judge = LocalEvaluator(pipe, workload, quality, within)
        batch = workload.batches(range(len(workload.prompts)))[0]
        self._plans: dict[tuple[str, int, object], MemoryPlan] = {}
        self.judge.uncached(batch[:1])  # warms up, and makes its plan
        single, some = (self._seconds(self.judge.uncached, batch[:count]) for count in (1, PACED))
        self.pace = MeasuredPace.of(some, min(PACED, len(batch)), single, len(batch))
        if len(batch) > PACED and self.pace.seconds(len(batch)) <= PACING * seconds:
            # a prompt of many takes longer than one of a few
            self.pace = MeasuredPace.of(self._seconds(self.judge.references, batch), len(batch), single)
        self.rounds = ROUNDS
        """Rounds of timing."""
        self.device = str(getattr(pipe, "_execution_device", "cpu"))
        self.output = "np"
        """The `output_type` of pictures and of timed calls."""

    def _seconds(self, generate: Callable[[list[int]], object], numbers: list[int]) -> float:
        """Seconds of generating prompts."""
        before = self.judge.seconds
        generate(numbers)
        return self.judge.seconds - before

    def measure_quality(self, contenders: Sequence[Contender], prompts: int, tell: Tell) -> dict[str, Figures]:
        """Measure quality by name, in the quality's own figures; what fails on some prompt has none."""
        judge, numbers = self.judge, list(range(min(prompts, len(self.judge.workload.prompts))))

        failures: list[RunError] = []

        def uncached(part: list[int], texts: list[str]) -> Sequence[float]:
            references = judge.references(part)
            try:
                return judge.quality.uncached(references, texts)
            except RunError as error:
                failures.append(error)
                return [math.nan] * len(part)

        errors = {UNCACHED: self._by_batch(numbers, uncached)}
        if failures and not any(map(math.isfinite, errors[UNCACHED])):
            raise failures[0]
        if not all(map(math.isfinite, errors[UNCACHED])):  # there are prompts that nothing can be judged by
            numbers = [n for n, error in zip(numbers, errors[UNCACHED], strict=True) if math.isfinite(error)]
            errors[UNCACHED] = [error for error in errors[UNCACHED] if math.isfinite(error)]
        known: dict[tuple[str, str], list[float]] = {}  # plans change nothing that is generated
        for contender in contenders:
            tell(f"{contender.name} on held-out prompts")
            key = (
                (contender.point.schedule.digest, contender.point.storage) if contender.point else (contender.name, "")
            )
            if key not in known:
                known[key] = self._errors(contender, numbers)
            errors[contender.name] = known[key]
        return {name: self._figures(found) for name, found in errors.items() if all(map(math.isfinite, found))}

    def decode_pictures(self, contenders: Sequence[Contender], prompts: int, tell: Tell) -> dict[str, Any]:
        """Decode outputs for the first prompts, by name; none for a pipeline that cannot give arrays.

        Raises:
            BudgetError: if the uncached generation cannot be kept within the limit, decoding included.
        """
        parts = self.judge.workload.batches(range(min(prompts, len(self.judge.workload.prompts))))
        outputs: dict[str, Any] = {}
        for name, contender in _cases(contenders).items():
            tell(f"pictures of {name}")
            try:
                drawn = [self._generated(contender, part, output_type=self.output) for part in parts]
                outputs[name] = np.concatenate(drawn)
            except RunError:
                raise
            except Exception as error:
                if is_device_fault(error) or (contender is None and isinstance(error, BudgetError)):
                    raise
                if contender is None:  # then the clock is to run on what the quality is judged by
                    self.output = self.judge.quality.output
                    return {}
        return outputs

    def plan_memory(self, contenders: Sequence[Contender], prompts: int) -> Plans:
        """Plan memory by name; a contender that cannot keep its budget with so many prompts is left out."""
        return plan_contenders(self.judge, _cases(contenders), range(min(prompts, len(self.judge.workload.prompts))))

    def measure_memory(self, contenders: Sequence[Contender], prompts: int, planned: Plans) -> dict[str, Figures]:
        """Measure the most bytes that a call of so many prompts holds, by name."""
        return measure_peaks(
            self.judge, _cases(contenders), range(min(prompts, len(self.judge.workload.prompts))), planned
        )

    def time_contenders(
        self,
        contenders: Sequence[Contender],
        prompts: int,
        planned: Plans | None,
        clock: Clock,
        left: Callable[[], float] = lambda: math.inf,
    ) -> dict[str, Figures]:
        """Time contenders, and return speed-ups over the uncached pipeline and seconds for a prompt, by name.

        Args:
            contenders: what is timed.
            prompts: in each call.
            planned: memory plans by name.
            clock: times calls.
            left: seconds on the wall that are left for it; of `rounds` as many are made as end in that time.
        """
        numbers = range(min(prompts, len(self.judge.workload.prompts)))
        known = planned or {}

        def case(name: str, contender: Contender | None) -> Callable[[], object]:
            return lambda: self._generated(contender, numbers, known.get(name), output_type=self.output)

        cases = {name: case(name, contender) for name, contender in _cases(contenders).items()}
        whole = left()

        def more(rounds: int) -> bool:
            now = left()
            return math.isinf(now) or allows_another_round(rounds, whole - now, now)

        timings = time_interleaved(cases, repeats=self.rounds, clock=clock, more=more)
        self.rounds = len(timings[UNCACHED].samples)
        return {name: _clocked(timing, timings[UNCACHED], len(numbers)) for name, timing in timings.items()}

    def _errors(self, contender: Contender, numbers: Sequence[int]) -> list[float]:
        judge = self.judge
        if contender.point is not None:
            found = judge.errors(contender.point.schedule, numbers, contender.point.storage)
            return [math.inf] if isinstance(found, Failure) else found

        def measured(part: list[int], texts: list[str]) -> Sequence[float]:
            return judge.quality.measure(self._generated(contender, part), judge.references(part), texts)

        try:
            return self._by_batch(numbers, measured)
        except RunError:
            raise
        except Exception as error:  # a pipeline that cannot do with fewer steps
            if is_device_fault(error):
                raise
            return [math.inf]

    def _by_batch(
        self, numbers: Sequence[int], errors: Callable[[list[int], list[str]], Sequence[float]]
    ) -> list[float]:
        """Errors of prompts, batch by batch, from their numbers and texts."""
        parts = self.judge.workload.batches(numbers)
        return [float(e) for part in parts for e in errors(part, [self.judge.workload.prompts[n] for n in part])]

    def _generated(
        self, contender: Contender | None, numbers: Sequence[int], plan: MemoryPlan | None = None, **changes: Any
    ) -> Any:
        """Outputs of a contender, or of the uncached pipeline, by a plan or within the limit."""
        call_arguments = {**changes, **choose_step_arguments(self.judge, contender)}
        with apply_contender(self.judge.pipe, contender, plan or self._plan(contender, numbers, call_arguments)):
            return self.judge.generate(numbers, **call_arguments)

    def _plan(
        self, contender: Contender | None, numbers: Sequence[int], changes: Mapping[str, Any]
    ) -> MemoryPlan | None:
        """The plan that keeps a contender within the limit, made once for so many prompts and what comes out."""
        if self.judge.within is None:
            return None
        key = (UNCACHED if contender is None else contender.name, len(numbers), changes.get("output_type"))
        if key not in self._plans:
            call = self.judge.call_arguments(numbers, **changes)
            self._plans[key] = plan_contender(self.judge.pipe, contender, self.judge.within, call)
        return self._plans[key]

    def _figures(self, errors: Sequence[float]) -> Figures:
        shown = [self.judge.quality.shown(error) for error in errors]
        found = Spread.of(shown)
        return {**found.named("quality"), "quality": float(np.mean(shown)), "quality median": found.middle}


def _cases(contenders: Sequence[Contender]) -> dict[str, Contender | None]:
    return {UNCACHED: None, **{contender.name: contender for contender in contenders}}


def _clocked(timing: Timing, uncached: Timing, prompts: int) -> Figures:
    return {**timing.speedups_over(uncached).named("speedup"), "seconds": timing.median / prompts}
