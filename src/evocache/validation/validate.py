"""The proof: what a front's points, policies and fewer steps are worth on held-out prompts and by the clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from ..metrics.clocks import clock_of
from ..metrics.versions import versions
from ..runtime.call_context import context_of
from ..schedule.front import Front
from ..schedule.front.comparison import FEWER, PREDICTED, doubtful, in_the_same_time
from ..schedule.front.context import STEPS, Context
from ..search.evaluate.quality import Quality
from ..search.evaluate.workload import Workload
from ..search.genome.memory_genes import PEAK
from ..search.optimise.evolution import ERROR
from .adoption import adopted
from .contender_trial import Figures, Tell, Trial
from .contenders import Contender, Field
from .dominated import beaten
from .held_out_split import UNKNOWN, Split
from .picture_rows import write_strips
from .proof_file import UNCACHED, Baseline, Basis, Pictures, Proof, write_proof
from .time_budget import ROUNDS, affordable, left_out

SECONDS = 150.0
"""What a proof may take where nothing else is said: a quarter of ten minutes."""


def prove(
    pipe: Any,
    quality: Quality,
    held_out: Workload,
    field: Field,
    folder: Path,
    *,
    seconds: float = SECONDS,
    within: int | None = None,
    apart: Split | None = None,
    tell: Tell = lambda what: None,
) -> Proof:
    """Measure a front and what it is held against; write `front.json` and pictures into the run's folder.

    Quality is measured on held-out prompts; speed by the clock, in interleaved rounds of whole generations, decoding
    included, as ratios to the uncached generation of the same round. What is beaten there leaves the front.

    Args:
        pipe: the pipeline; it is left as it was.
        quality: how outputs are judged.
        held_out: prompts and seeds that the search did not see.
        field: what could be measured.
        folder: of the run.
        seconds: about what it may take; how much is measured follows from it (see `effort.LADDER`).
        within: bytes that no generation may hold: the uncached one, fewer steps and policies are planned, too.
        apart: how the prompts that are proven on were kept from the search; it is noted, and unknown when not given.
        tell: is told what is being measured.

    Raises:
        BudgetError: if the uncached generation cannot be made to fit.
        RunError: if the pipeline fails uncached.
        CodecError: if the folder cannot be written.
    """
    began = perf_counter()
    tell(UNCACHED)
    trial = Trial(pipe, quality, held_out, within)
    effort = affordable(field, trial.pace, seconds)
    rivals = effort.contenders(field)
    figures = trial.judged(rivals, effort.prompts, tell)
    outputs = trial.shown([rival for rival in rivals if rival.name in figures], effort.pictures, tell)
    able = [rival for rival in rivals if rival.name in figures and (rival.name in outputs or not outputs)]
    failed = [f"{rival.name}, which failed" for rival in rivals if rival not in able]
    rivals = able
    planned = trial.planned(rivals, effort.timed)
    failed += [f"{rival.name}, which cannot keep its budget" for rival in rivals if rival.name not in planned]
    rivals = [rival for rival in rivals if rival.name in planned]
    tell("timing")
    clock = clock_of(pipe, waits=any(plan is not None and plan.capacity is not None for plan in planned.values()))
    for name, found in trial.timed(rivals, effort.timed, planned, clock).items():
        figures[name] |= found
    for rival in rivals:
        figures[rival.name] |= _known(rival, field, quality)
        if rival.share > 0 and (rival.point is not None or trial.judge.varies):
            figures[rival.name][PREDICTED] = 1 / rival.share
    if effort.counted:
        tell("memory")
        for name, found in trial.held(rivals, effort.timed, planned).items():
            figures[name] |= found
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
        left_out=tuple(left_out(effort, field, len(held_out.prompts)) + failed + _shared(apart)),
        steps=field.steps,
        clock=clock.name,
        held_out=UNKNOWN if apart is None else apart.kind,
    )
    taken = adopted(rivals, figures, field)
    lost = beaten(rivals, taken, figures)
    context = context_of(pipe, **held_out.call)
    proof, outputs = assembled(rivals, figures, outputs, basis, taken, lost, asks=trial.judge.varies, context=context)
    strips = write_strips(folder, outputs)
    pictures = Pictures(held_out.prompts[: effort.pictures] if strips else (), strips)
    proof = replace(proof, pictures=pictures, basis=replace(basis, seconds=round(perf_counter() - began, 1)))
    write_proof(folder, proof)
    return proof


def _shared(apart: Split | None) -> list[str]:
    """What is left out as the search had seen it, in words."""
    return [f"{apart.shared} held-out prompts, which are searched on"] if apart is not None and apart.shared else []


def _known(rival: Contender, field: Field, quality: Quality) -> Figures:
    """What needs no measuring: bytes of cached features, and quality on the prompts that were searched on."""
    if rival.point is None:
        return {"memory": 0.0}
    figures = {"memory": field.costs.memory(rival.point.schedule)}
    if ERROR in rival.point.objectives:
        figures["calibration quality"] = quality.shown(rival.point.objectives[ERROR])
    if PEAK in rival.point.objectives:
        figures["predicted peak"] = rival.point.objectives[PEAK]
    return figures


def add_equal_time(rivals: Sequence[Contender], figures: Mapping[str, Figures]) -> None:
    """Add to the figures of schedules what fewer steps give in the same time (see `figures.in_the_same_time`)."""
    steps = [figures[rival.name] for rival in rivals if rival.group == "steps"]
    known = [(found["speedup"], found["quality"]) for found in steps if not doubtful(found)]
    for rival in rivals:
        quality = None if rival.group == "steps" else in_the_same_time(known, figures[rival.name]["speedup"])
        if quality is not None:
            figures[rival.name][FEWER] = quality


def assembled(
    rivals: Sequence[Contender],
    figures: Mapping[str, Figures],
    outputs: Mapping[str, Any],
    basis: Basis,
    taken: Mapping[str, Contender] | None = None,
    lost: Mapping[str, str] | None = None,
    *,
    asks: bool = False,
    context: Context | None = None,
) -> tuple[Proof, dict[str, Any]]:
    """A proof without pictures, and outputs by the names in it: points are numbered from the fastest to the slowest.

    `taken` are rivals that are points, too, by name (see `adopt`); what they are held against keeps its own name.
    `lost` are points that are none, as they are beaten, and by what (see `beaten`): they are kept as baselines.
    `asks` says whether the pipeline makes as many steps as it is asked for, so that points may tell how many. `context`
    is that of the uncached call; each point's own number of steps goes before that one's.
    """
    lost = lost or {}

    def fastest(rivals: Iterable[Contender]) -> list[Contender]:
        return sorted(rivals, key=lambda r: -figures[r.name]["speedup"])

    own = [r for r in rivals if r.group == "front"]
    front = fastest(r for r in (*own, *(taken or {}).values()) if r.name not in lost)
    names = {rival.name: f"front {i}" for i, rival in enumerate(front)}
    behind = fastest(r for r in own if r.name in lost)
    names |= {rival.name: f"beaten {i}" for i, rival in enumerate(behind)}
    points = [
        replace(
            r.point,
            measured=figures[r.name],
            steps=r.point.schedule.steps if asks else None,
            context=None
            if context is None
            else context.but(**{STEPS: r.point.schedule.steps if asks else basis.steps}),
        )
        for r in front
        if r.point is not None
    ]
    baselines = {UNCACHED: Baseline(UNCACHED, {**figures[UNCACHED], "memory": 0.0})}
    for rival in behind:
        assert rival.point is not None
        by = names.get(lost[rival.name], lost[rival.name])
        baselines[names[rival.name]] = Baseline(
            "beaten", figures[rival.name], rival.schedule, by, rival.point.storage, rival.point.budget
        )
    for rival in rivals:
        if rival.group != "front":
            baselines[rival.name] = Baseline(rival.group, figures[rival.name], rival.schedule)
    named = {name: outputs[name] for name in (UNCACHED, *baselines) if name in outputs}
    named |= {names[name]: outputs[name] for name in names if name in outputs}
    order = [UNCACHED, *names.values(), *baselines]
    proof = Proof(Front(tuple(points), basis.steps), tuple(names[rival.name] for rival in front), baselines, basis)
    return proof, {name: named[name] for name in dict.fromkeys(order) if name in named}
