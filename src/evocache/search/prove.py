"""The proof: what a front's points, their seeds and fewer steps are worth on held-out prompts and by the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from ..metrics import Timing, interleaved
from ..policies import is_spec
from ..runtime import apply
from ..schedule import Schedule
from ..schedule.front import Front
from .cost import Costs
from .evaluate import LocalEvaluator
from .workload import Workload

ROUNDS = 5
"""Interleaved rounds of timing."""

TIMED = 8
"""Prompts in a timed call."""

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Contender:
    """Something that is measured: a schedule, or the uncached pipeline with fewer steps.

    Attributes:
        name: what it is called in tables.
        group: `front`, `seed` or `steps`.
        schedule: what is applied; None for fewer steps.
        steps: `num_inference_steps` of the call, where it differs.
    """

    name: str
    group: str
    schedule: Schedule | None
    steps: int | None = None


def contenders(front: Front, seeds: Sequence[Schedule], steps: int, most: int = 10) -> list[Contender]:
    """What is worth measuring: at most `most` points of the front, the seeds that are plain policies, fewer steps."""
    chosen = thinned([point for point in front.points if not point.schedule.is_full], most)
    out = [Contender(f"front {i}", "front", point.schedule) for i, point in enumerate(chosen)]
    policies = [s for s in seeds if is_spec(s.provenance.origin) and not s.is_full]
    out += [Contender(s.provenance.origin, "seed", s) for s in thinned(policies, most // 2)]
    counts = sorted({max(2, round(steps * share)) for share in (0.75, 0.5, 0.35, 0.25)}, reverse=True)
    return out + [Contender(f"{count} steps", "steps", None, count) for count in counts if count < steps]


def thinned(points: Sequence[Kind], most: int) -> list[Kind]:
    """At most `most` of a sequence, spread evenly."""
    if len(points) <= most:
        return list(points)
    places = np.round(np.linspace(0, len(points) - 1, most)).astype(int)
    return [points[i] for i in dict.fromkeys(places.tolist())]


def prove(
    evaluator: LocalEvaluator,
    held_out: Workload,
    costs: Costs,
    rivals: Sequence[Contender],
    tell: Callable[[str], None] = lambda name: None,
) -> dict[str, dict[str, float]]:
    """Figures of contenders by name.

    `quality` and its quartiles (the negated error, higher is better, over held-out prompts), `speedup` and its
    quartiles (over the uncached pipeline, in interleaved rounds on one batch), `memory` (bytes cached per batch).
    """
    judge = LocalEvaluator(evaluator.pipe, held_out, evaluator.quality)
    numbers = list(range(len(held_out.prompts)))
    judge.references(numbers)
    figures: dict[str, dict[str, float]] = {}
    for rival in rivals:
        tell(rival.name)
        errors = _errors(judge, rival, numbers)
        low, middle, high = np.quantile([-e for e in errors], (0.25, 0.5, 0.75))
        mean = float(np.mean([-e for e in errors]))
        figures[rival.name] = {
            "quality": mean,
            "quality q1": float(low),
            "quality median": float(middle),
            "quality q3": float(high),
            "memory": 0.0 if rival.schedule is None else costs.memory(rival.schedule),
        }
    timings = _timed(judge, rivals)
    for rival in rivals:
        ratios = np.divide(timings["uncached"].samples, timings[rival.name].samples)
        low, middle, high = np.quantile(ratios, (0.25, 0.5, 0.75))
        figures[rival.name] |= {"speedup": float(middle), "speedup q1": float(low), "speedup q3": float(high)}
    return figures


def measured(front: Front, rivals: Sequence[Contender], figures: Mapping[str, Mapping[str, float]]) -> Front:
    """The points of a front that were measured, with their figures, from the fastest to the slowest."""
    by_digest = {r.schedule.digest: figures[r.name] for r in rivals if r.group == "front" and r.schedule is not None}
    points = [replace(p, measured=by_digest[p.schedule.digest]) for p in front if p.schedule.digest in by_digest]
    return Front(tuple(sorted(points, key=lambda point: -point.measured["speedup"])))


def _errors(judge: LocalEvaluator, rival: Contender, numbers: list[int]) -> list[float]:
    if rival.schedule is not None:
        return judge.errors(rival.schedule, numbers)
    out: list[float] = []
    for part in judge.workload.batches(numbers):
        outputs = _with_steps(judge, rival).generate(part)
        texts = [judge.workload.prompts[n] for n in part]
        out += judge.quality.measure(outputs, judge.references(part), texts)
    return out


def _with_steps(judge: LocalEvaluator, rival: Contender) -> LocalEvaluator:
    call = {**judge.workload.call, "num_inference_steps": rival.steps}
    return LocalEvaluator(judge.pipe, replace(judge.workload, call=call), judge.quality)


def _timed(judge: LocalEvaluator, rivals: Sequence[Contender]) -> dict[str, Timing]:
    part = judge.workload.batches(range(len(judge.workload.prompts)))[0][:TIMED]

    def case(rival: Contender) -> Callable[[], object]:
        if rival.schedule is None:
            fewer = _with_steps(judge, rival)
            return lambda: fewer.generate(part)

        def run() -> None:
            assert rival.schedule is not None
            with apply(judge.pipe, rival.schedule):
                judge.generate(part)

        return run

    cases: dict[str, Callable[[], object]] = {"uncached": lambda: judge.generate(part)}
    cases |= {rival.name: case(rival) for rival in rivals}
    return interleaved(cases, repeats=ROUNDS)
