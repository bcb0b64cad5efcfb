"""Evaluating schedules on a live pipeline, in this process."""

from __future__ import annotations

import inspect
import math
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
import torch

from ...errors import BudgetError, Error, GenerationError, RunError
from ...memory.planner.planner import Machine
from ...model import discover
from ...runtime import Handle, apply
from ...runtime.program.step_arguments import STEPS, takes_steps, usual_steps
from ...schedule import Schedule, Tree
from ..optimise.job import Failure, Job, More, always
from .evaluation_plans import EvaluationPlans
from .faults import WAITS, attempt, is_device_fault, retry_faults
from .quality import Quality
from .workload import Workload

Outputs = np.ndarray[Any, np.dtype[Any]]

Result = TypeVar("Result")

REFERENCES = 2 << 30
"""Most bytes of uncached outputs that are kept; what goes beyond is generated anew where it is needed."""


class LocalEvaluator:
    """Runs jobs one after the other on one pipeline. The uncached outputs are made once and kept.

    Schedules of fewer steps than the uncached generation are run with as many as they have, where `varies`.

    Args:
        pipe: the pipeline; it is left as it was.
        workload: prompts, seeds and call.
        quality: how outputs are judged.
        within: bytes that no generation may hold, uncached ones included; None for no limit. What holds more as it is
            is planned (see `evocache.apply`), which changes no output but for rounding where slices are cut.
        machine: what plans go by, so that all who evaluate make the same; this one is measured when not given.

    Raises:
        BudgetError: if the uncached generation cannot be made to fit.
        RunError: if the pipeline cannot run the workload uncached, or cannot give the output that the quality needs.
    """

    def __init__(
        self,
        pipe: Any,
        workload: Workload,
        quality: Quality,
        within: int | None = None,
        machine: Machine | None = None,
    ) -> None:
        self.pipe = pipe
        self.workload = workload
        self.quality = quality
        self.within = within
        self.machine = machine
        self.tree: Tree = discover(pipe).tree
        self.steps = 0
        """Steps of a generation, as the scheduler counts them; known after the first uncached one."""
        self.calls = 1
        """Denoiser calls in a step."""
        self.seconds = 0.0
        """Time spent in generations so far."""
        self.step_equivalents = 0.0
        """Denoiser steps of one prompt spent so far, a skipped step counting as the share that is executed."""
        self.waits: Sequence[float] = WAITS
        """Seconds before each further try of what the machine failed at."""
        self.references_bytes = REFERENCES
        """Most bytes of uncached outputs that are kept."""
        mine = weakref.proxy(self)  # plans are kept by what they ask
        self._plans = EvaluationPlans(pipe, lambda count, steps: mine.planned_arguments(count, steps))
        self._references: dict[tuple[int, ...], Outputs] = {}
        self._takes_prompts = "prompt" in inspect.signature(type(pipe).__call__).parameters

    def evaluate(self, jobs: Sequence[Job], more: More = always) -> Iterator[tuple[int, list[float] | Failure]]:
        """Yield the numbers of jobs with their answers, in order; no job is begun when there are to be no more.

        Raises:
            DeviceError: if the machine fails, however often it is tried.
        """
        for number, job in enumerate(jobs):
            if not more():
                return
            yield number, self.grams(job) if job.turns else self.errors(job.schedule, job.prompts, job.storage)

    def errors(self, schedule: Schedule, prompts: Sequence[int], storage: str = "none") -> list[float] | Failure:
        """Measure the errors of a schedule on prompts, or return why it has none.

        Raises:
            DeviceError: if the machine fails, however often it is tried.
        """
        out: list[float] = []
        for numbers in self.workload.batches(prompts):
            references = self.references(numbers)

            def judged(numbers: list[int] = numbers, references: Outputs = references) -> list[float]:
                return self._judged(self._outputs(schedule, numbers, storage), references, numbers)

            found = self._attempted(judged, numbers)
            if isinstance(found, Failure):
                return found
            out += found
        return out

    def _attempted(self, act: Callable[[], Result], numbers: list[int]) -> Result | Failure:
        """What an evaluation on some prompts gives, or why the schedule fails (see `faults.attempt`)."""

        def control() -> None:
            self.quality.uncached(self.uncached(numbers), [self.workload.prompts[n] for n in numbers])

        return attempt(act, control, waits=self.waits)

    def _outputs(self, schedule: Schedule, numbers: Sequence[int], storage: str = "none") -> Outputs:
        """Outputs under a schedule.

        Raises:
            GenerationError: if they are not finite, or the scheduler makes other steps than it is asked for.
        """
        with self.applied(schedule, numbers, storage) as handle:
            outputs = self.generate(numbers, **self.changes(schedule))
            stats = handle.stats
        self.step_equivalents += stats.executed_fraction * schedule.steps * len(numbers)
        # a scheduler that counted others than it was asked for had the schedule resampled
        found = schedule if stats.schedule is None else stats.schedule
        if schedule.steps not in (self.steps, found.steps):
            given = f"a scheduler that makes {found.steps} steps where it is asked for {schedule.steps}"
            raise GenerationError(given, "as many as it is asked for", "evolve with the same number of steps")
        if not np.isfinite(outputs).all():
            raise GenerationError("outputs that are not finite", "numbers", "compute more of the steps")
        return outputs

    @contextmanager
    def applied(
        self, what: Schedule | str, numbers: Sequence[int], storage: str = "none", *, planned: bool = True
    ) -> Iterator[Handle]:
        """Apply a schedule or policy within the context, planned for `generate` on some prompts.

        Raises:
            BudgetError: if it cannot be kept within the limit.
        """
        memory = None
        if self.within is not None and planned:  # now, so that the generation is not timed with its planning
            memory = self._plans.find(self.within, self.machine, what, len(numbers), storage, self.steps)
        with apply(self.pipe, what, memory=memory, storage=storage) as handle:
            yield handle

    def fits(self, schedule: Schedule, numbers: Sequence[int]) -> bool:
        """Return whether a schedule keeps the limit on some prompts with no denoiser sliced and no feature parked.

        What is done outside the denoisers, such as decoding in slices, does not count.
        """
        try:
            with self.applied(schedule, numbers) as handle:
                memory = handle.memory
        except BudgetError:
            return False
        return memory is None or (memory.capacity is None and not any(memory.cuts.values()))

    @property
    def varies(self) -> bool:
        """Whether the call may ask for other numbers of steps, and the scheduler counts as many as are asked for.

        Not so where it has timesteps or sigmas of its own, where the pipeline takes no number of steps, or where the
        scheduler makes several timesteps of a step (Heun, PNDM).
        """
        method, call = type(self.pipe).__call__, self.workload.call
        return takes_steps(method, call) and (call.get(STEPS) or usual_steps(method)) == self.steps

    def changes(self, schedule: Schedule) -> dict[str, int]:
        """Return what goes before the workload's call, so that the pipeline makes as many steps as a schedule has."""
        return {STEPS: schedule.steps} if schedule.steps != self.steps and self.varies else {}

    def manages(self, steps: int) -> bool:
        """Return whether the pipeline runs with another number of steps, tried on one prompt."""
        full = Schedule.full(self.tree, steps)
        try:
            return self.varies and not isinstance(self._attempted(lambda: self._outputs(full, [0]), [0]), Failure)
        except RunError:  # not even uncached, as where the call has a list for so many prompts as a batch has
            return False

    def _judged(self, outputs: Outputs, references: Outputs, numbers: Sequence[int]) -> list[float]:
        errors = self.quality.measure(outputs, references, [self.workload.prompts[n] for n in numbers])
        return [float(error) if math.isfinite(error) else math.inf for error in errors]

    def grams(self, job: Job) -> list[float] | Failure:
        """Return the Gram matrix of a schedule's residual and of how its turns move the outputs, (1 + turns)^2 numbers.

        Averaged over the prompts, each relative to its own squared residual.
        """
        size = 1 + len(job.turns)
        total, count = np.zeros((size, size)), 0
        for numbers in self.workload.batches(job.prompts):
            references = self.references(numbers)
            outputs: list[Outputs] = []
            for schedule in (job.schedule, *job.turns):

                def drawn(schedule: Schedule = schedule, numbers: list[int] = numbers) -> Outputs:
                    return self._outputs(schedule, numbers, job.storage)

                found = self._attempted(drawn, numbers)
                if isinstance(found, Failure):
                    return found
                outputs.append(np.asarray(found, dtype=float))
            rows = np.stack([outputs[0] - references, *(output - outputs[0] for output in outputs[1:])])
            rows = rows.reshape(size, len(numbers), -1)
            scale = np.maximum(np.square(rows[0]).sum(axis=-1), 1e-30)
            total += np.einsum("ipf,jpf,p->ij", rows, rows, 1 / scale, optimize=True)
            count += len(numbers)
        return [float(value) for value in (total / count).reshape(-1)]

    def references(self, numbers: Sequence[int]) -> Outputs:
        """Generate the uncached outputs of prompts, (n, ...), once for each batch while there is room to keep them.

        A batch has its own, since the last bits of an output depend on what else is in its batch: so an answer does
        not depend on what was answered before, in this process or another.
        """
        return np.concatenate([self._reference(tuple(part)) for part in self.workload.batches(numbers)])

    def _reference(self, part: tuple[int, ...]) -> Outputs:
        found = self._references.get(part)
        if found is None:
            found = self.uncached(part)
            # every job asks for the same batches in turn: to let the oldest go would be to keep none of them
            if sum(kept.nbytes for kept in self._references.values()) + found.nbytes <= self.references_bytes:
                self._references[part] = found
        return found

    def uncached(self, numbers: Sequence[int], *, planned: bool = True) -> Outputs:
        """Generate without caching, within the limit or without a plan, and learn the number of steps.

        Raises:
            BudgetError: if it cannot be kept within the limit.
            DeviceError: if the machine fails, however often it is tried.
            RunError: if the pipeline fails.
        """
        return retry_faults(lambda: self.once(numbers, planned=planned), waits=self.waits)

    def once(self, numbers: Sequence[int], *, planned: bool = True) -> Outputs:
        """Generate as `uncached` does, but try once: what the machine fails at is raised as it is."""
        with self.applied("none", numbers, planned=planned) as handle:
            try:
                outputs = self.generate(numbers)
            except Exception as error:
                if isinstance(error, Error) or is_device_fault(error):
                    raise
                raise RunError(
                    f"a pipeline that fails uncached ({type(error).__name__}: {error})",
                    "a pipeline that runs on these prompts",
                    "change what it names, or call the pipeline with these arguments to see where it is raised",
                ) from error
            schedule = handle.stats.schedule
            assert schedule is not None
            self.steps = schedule.steps
            self.calls = max(1, round(max(handle.stats.calls.values()) / self.steps))
        self.step_equivalents += self.steps * len(numbers)
        return outputs

    def arguments(self, numbers: Sequence[int], **changes: Any) -> dict[str, Any]:
        """Return the arguments of the pipeline's call for some prompts; `changes` go before the workload's call."""
        call = {**self.workload.call, **changes}
        if self._takes_prompts:
            call["prompt"] = [self.workload.prompts[n] for n in numbers]
        device = getattr(self.pipe, "_execution_device", "cpu")
        kind = device if torch.device(device).type == "cuda" else "cpu"
        call["generator"] = [torch.Generator(kind).manual_seed(self.workload.seeds[n]) for n in numbers]
        return call

    def call_arguments(self, numbers: Sequence[int], **changes: Any) -> dict[str, Any]:
        """Return the arguments of the call that gives what the quality judges."""
        return self.arguments(numbers, **{"output_type": self.quality.output, "return_dict": False, **changes})

    def planned_arguments(self, count: int, steps: int | None) -> dict[str, Any]:
        """Return the arguments of the first prompts' call, as plans need them, with so many steps or the usual ones."""
        return self.call_arguments(range(count), **({} if steps is None else {STEPS: steps}))

    def generate(self, numbers: Sequence[int], **changes: Any) -> Outputs:
        """Generate outputs of prompts under whatever is applied, (n, ...); `changes` go before the workload's call."""
        call = self.call_arguments(numbers, **changes)
        began = perf_counter()
        with warnings.catch_warnings():  # a candidate of few steps may have nothing to reuse
            warnings.filterwarnings("ignore", "nothing was reused")
            output = self.pipe(**call)[0]
        self.seconds += perf_counter() - began
        array = output.float().cpu().numpy() if isinstance(output, torch.Tensor) else np.asarray(output)
        if len(array) != len(numbers):
            raise RunError(
                f"{len(array)} outputs for {len(numbers)} prompts", "one for each", "choose --quality psnr or ssim"
            )
        return array
