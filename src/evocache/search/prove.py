"""The proof: what a front's points, policies and fewer steps are worth on held-out prompts and by the clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ..errors import RunError
from ..metrics import Timing, interleaved
from ..metrics.versions import versions
from ..runtime import apply
from ..schedule.front import Front
from .contenders import Contender, Field
from .effort import ROUNDS, affordable, left_out
from .evaluate import LocalEvaluator
from .evolution import ERROR
from .proof import UNCACHED, Baseline, Basis, Pictures, Proof, write_proof
from .quality import Quality
from .strips import write_strips
from .workload import Workload

SECONDS = 150.0
"""What a proof may take where nothing else is said: a quarter of ten minutes."""

NEAR = 0.05
"""How far beyond the measured numbers of steps a time may lie, relative to it, to be held against the nearest."""

Figures = dict[str, float]
Tell = Callable[[str], None]
Judge = Callable[[list[int], list[str]], Sequence[float]]


def prove(
    pipe: Any,
    quality: Quality,
    held_out: Workload,
    field: Field,
    folder: Path,
    *,
    seconds: float = SECONDS,
    tell: Tell = lambda what: None,
) -> Proof:
    """Measure a front and what it is held against; write `front.json` and pictures into the run's folder.

    Quality is measured on held-out prompts; speed by the clock, in interleaved rounds of whole generations, decoding
    included, as ratios to the uncached generation of the same round.

    Args:
        pipe: the pipeline; it is left as it was.
        quality: how outputs are judged.
        held_out: prompts and seeds that the search did not see.
        field: what could be measured.
        folder: of the run.
        seconds: about what it may take; how much is measured follows from it (see `effort.LADDER`).
        tell: is told what is being measured.

    Raises:
        RunError: if the pipeline fails uncached.
        CodecError: if the folder cannot be written.
    """
    began = perf_counter()
    tell(UNCACHED)
    trial = _Trial(pipe, quality, held_out)
    effort = affordable(field, trial.unit, seconds)
    rivals = effort.contenders(field)
    figures = trial.judged(rivals, effort.prompts, tell)
    failed = [f"{rival.name}, which failed" for rival in rivals if rival.name not in figures]
    rivals = [rival for rival in rivals if rival.name in figures]
    outputs = trial.shown(rivals, effort.pictures, tell)
    tell("timing")
    for name, found in trial.timed(rivals, effort.timed).items():
        figures[name] |= found
    for rival in rivals:
        figures[rival.name] |= _known(rival, field, quality)
    add_equal_time(rivals, figures)
    basis = Basis(
        prompts=min(effort.prompts, len(held_out.prompts)),
        rounds=ROUNDS,
        timed=min(effort.timed, len(held_out.prompts)),
        quality=quality.name,
        unit=quality.unit,
        residual=quality.residual,
        device=trial.device,
        versions=versions(),
        left_out=tuple(left_out(effort, field, len(held_out.prompts)) + failed),
    )
    proof, outputs = assembled(rivals, figures, outputs, basis)
    strips = write_strips(folder, outputs)
    pictures = Pictures(held_out.prompts[: effort.pictures] if strips else (), strips)
    proof = replace(proof, pictures=pictures, basis=replace(basis, seconds=round(perf_counter() - began, 1)))
    write_proof(folder, proof)
    return proof


class _Trial:
    """One pipeline and held-out prompts, under whatever contends."""

    def __init__(self, pipe: Any, quality: Quality, workload: Workload) -> None:
        self.judge = LocalEvaluator(pipe, workload, quality)
        first = workload.batches(range(len(workload.prompts)))[0]
        self.judge.references(first)
        self.unit = self.judge.seconds / len(first)
        """Seconds of one prompt uncached."""
        self.device = str(getattr(pipe, "_execution_device", "cpu"))
        self.output = "np"
        """The `output_type` of pictures and of timed calls."""

    def judged(self, rivals: Sequence[Contender], prompts: int, tell: Tell) -> dict[str, Figures]:
        """Quality by name, in the quality's own figures; what fails on some prompt has none."""
        judge, numbers = self.judge, list(range(min(prompts, len(self.judge.workload.prompts))))

        def uncached(part: list[int], texts: list[str]) -> Sequence[float]:
            return judge.quality.uncached(judge.references(part), texts)

        errors = {UNCACHED: self._by_batch(numbers, uncached)}
        if not all(map(math.isfinite, errors[UNCACHED])):  # there are prompts that nothing can be judged by
            numbers = [n for n, error in zip(numbers, errors[UNCACHED], strict=True) if math.isfinite(error)]
            errors[UNCACHED] = [error for error in errors[UNCACHED] if math.isfinite(error)]
        for rival in rivals:
            tell(f"{rival.name} on held-out prompts")
            errors[rival.name] = self._errors(rival, numbers)
        return {name: self._figures(found) for name, found in errors.items() if all(map(math.isfinite, found))}

    def shown(self, rivals: Sequence[Contender], prompts: int, tell: Tell) -> dict[str, Any]:
        """Decoded outputs for the first prompts, by name; none for a pipeline that cannot give arrays."""
        numbers = range(min(prompts, len(self.judge.workload.prompts)))
        outputs: dict[str, Any] = {}
        for name, rival in _cases(rivals).items():
            tell(f"pictures of {name}")
            try:
                outputs[name] = self._generated(rival, numbers, output_type=self.output)
            except (MemoryError, RunError):
                raise
            except Exception:
                if rival is None:  # then the clock is to run on what the quality is judged by
                    self.output = self.judge.quality.output
                    return {}
        return outputs

    def timed(self, rivals: Sequence[Contender], prompts: int) -> dict[str, Figures]:
        """Speed-up over the uncached pipeline and seconds for a prompt, by name."""
        numbers = range(min(prompts, len(self.judge.workload.prompts)))

        def case(rival: Contender | None) -> Callable[[], object]:
            return lambda: self._generated(rival, numbers, output_type=self.output)

        cases = {name: case(rival) for name, rival in _cases(rivals).items()}
        timings = interleaved(cases, repeats=ROUNDS)
        return {name: _clocked(timing, timings[UNCACHED], len(numbers)) for name, timing in timings.items()}

    def _errors(self, rival: Contender, numbers: Sequence[int]) -> list[float]:
        judge = self.judge
        if rival.schedule is not None:
            return judge.errors(rival.schedule, numbers)

        def measured(part: list[int], texts: list[str]) -> Sequence[float]:
            return judge.quality.measure(self._generated(rival, part), judge.references(part), texts)

        try:
            return self._by_batch(numbers, measured)
        except (MemoryError, RunError):
            raise
        except Exception:  # a pipeline that cannot do with fewer steps
            return [math.inf]

    def _by_batch(
        self, numbers: Sequence[int], errors: Callable[[list[int], list[str]], Sequence[float]]
    ) -> list[float]:
        """Errors of prompts, batch by batch, from their numbers and texts."""
        parts = self.judge.workload.batches(numbers)
        return [float(e) for part in parts for e in errors(part, [self.judge.workload.prompts[n] for n in part])]

    def _generated(self, rival: Contender | None, numbers: Sequence[int], **changes: Any) -> Any:
        """Outputs of a contender, or of the uncached pipeline."""
        if rival is not None and rival.steps is not None:
            changes["num_inference_steps"] = rival.steps
        schedule = rival.schedule if rival is not None else None
        with apply(self.judge.pipe, schedule) if schedule is not None else nullcontext():
            return self.judge.generate(numbers, **changes)

    def _figures(self, errors: Sequence[float]) -> Figures:
        shown = [self.judge.quality.shown(error) for error in errors]
        low, middle, high = np.quantile(shown, (0.25, 0.5, 0.75))
        return {
            "quality": float(np.mean(shown)),
            "quality q1": float(low),
            "quality median": float(middle),
            "quality q3": float(high),
        }


def _cases(rivals: Sequence[Contender]) -> dict[str, Contender | None]:
    return {UNCACHED: None, **{rival.name: rival for rival in rivals}}


def _clocked(timing: Timing, uncached: Timing, prompts: int) -> Figures:
    low, middle, high = np.quantile(np.divide(uncached.samples, timing.samples), (0.25, 0.5, 0.75))
    return {
        "speedup": float(middle),
        "speedup q1": float(low),
        "speedup q3": float(high),
        "seconds": timing.median / prompts,
    }


def _known(rival: Contender, field: Field, quality: Quality) -> Figures:
    """What needs no measuring: bytes of cached features, and quality on the prompts that were searched on."""
    if rival.point is None:
        return {"memory": 0.0}
    figures = {"memory": field.costs.memory(rival.point.schedule)}
    if ERROR in rival.point.objectives:
        figures["calibration quality"] = quality.shown(rival.point.objectives[ERROR])
    return figures


def add_equal_time(rivals: Sequence[Contender], figures: Mapping[str, Figures]) -> None:
    """Add to the figures of schedules what fewer steps give in the same time, between the nearest numbers of steps."""
    fewer = sorted((1 / figures[r.name]["speedup"], figures[r.name]["quality"]) for r in rivals if r.group == "steps")
    if not fewer:
        return
    times, qualities = zip(*fewer, strict=True)
    for rival in rivals:
        time = 1 / figures[rival.name]["speedup"]
        if rival.group != "steps" and times[0] * (1 - NEAR) <= time <= times[-1] * (1 + NEAR):
            figures[rival.name]["fewer steps quality"] = float(np.interp(time, times, qualities))


def assembled(
    rivals: Sequence[Contender], figures: Mapping[str, Figures], outputs: Mapping[str, Any], basis: Basis
) -> tuple[Proof, dict[str, Any]]:
    """A proof without pictures, and outputs by the names in it: points are numbered from the fastest to the slowest."""
    front = sorted((r for r in rivals if r.group == "front"), key=lambda r: -figures[r.name]["speedup"])
    names = {rival.name: f"front {i}" for i, rival in enumerate(front)}
    points = [replace(r.point, measured=figures[r.name]) for r in front if r.point is not None]
    baselines = {UNCACHED: Baseline(UNCACHED, {**figures[UNCACHED], "memory": 0.0})}
    for rival in rivals:
        if rival.group != "front":
            baselines[rival.name] = Baseline(rival.group, figures[rival.name], rival.schedule)
    named = {names.get(name, name): output for name, output in outputs.items()}
    order = [UNCACHED, *names.values(), *baselines]
    proof = Proof(Front(tuple(points)), tuple(names.values()), baselines, basis)
    return proof, {name: named[name] for name in dict.fromkeys(order) if name in named}
