"""The proof: what a front's points, policies and fewer steps are worth on held-out prompts and by the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from ..metrics.clocks import clock_of
from ..metrics.versions import read_versions
from ..runtime.call_context import context_of
from ..schedule.front import Front
from ..schedule.front.comparison import FEWER, PREDICTED, find_quality_in_equal_time, is_doubtful
from ..schedule.front.context import STEPS, Context
from ..search.evaluate.quality import Quality
from ..search.evaluate.workload import Workload
from ..search.genome.memory_genes import PEAK
from ..search.objectives import ERROR
from .adoption import adopt_rivals
from .contender import Contender
from .contender_trial import ContenderTrial, Figures, Tell
from .contenders import Field
from .dominated import find_dominated
from .held_out_split import UNKNOWN, Split
from .picture_rows import write_picture_rows
from .proof_file import UNCACHED, Baseline, Basis, Pictures, Proof, write_proof
from .time_budget import choose_effort, list_omissions

SECONDS = 150.0
"""What a proof may take where nothing else is said: a quarter of ten minutes."""


def validate(
    pipe: Any,
    quality: Quality,
    held_out: Workload,
    field: Field,
    folder: Path,
    *,
    seconds: float = SECONDS,
    within: int | None = None,
    split: Split | None = None,
    tell: Tell = lambda what: None,
    now: Callable[[], float] = perf_counter,
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
        seconds: what it may take; how much is measured follows from it (see `time_budget.LADDER`), and so does how many
            rounds are timed. The least effort is made, however long that takes.
        within: bytes that no generation may hold: the uncached one, fewer steps and policies are planned, too.
        split: how the prompts that are proven on were kept from the search; it is noted, and unknown when not given.
        tell: is told what is being measured.
        now: the time on the wall, in seconds from any origin.

    Raises:
        BudgetError: if the uncached generation cannot be made to fit.
        RunError: if the pipeline fails uncached.
        CodecError: if the folder cannot be written.
    """
    began = now()

    def left() -> float:
        return seconds - (now() - began)

    tell(UNCACHED)
    trial = ContenderTrial(pipe, quality, held_out, within, left())
    effort = choose_effort(field, trial.pace, left())
    contenders = effort.contenders(field)
    figures = trial.measure_quality(contenders, effort.prompts, tell)
    outputs = trial.decode_pictures(
        [contender for contender in contenders if contender.name in figures], effort.pictures, tell
    )
    able = [
        contender
        for contender in contenders
        if contender.name in figures and (contender.name in outputs or not outputs)
    ]
    failed = [f"{contender.name}, which failed" for contender in contenders if contender not in able]
    contenders = able
    planned = trial.plan_memory(contenders, effort.timed)
    failed += [
        f"{contender.name}, which cannot keep its budget" for contender in contenders if contender.name not in planned
    ]
    contenders = [contender for contender in contenders if contender.name in planned]
    tell("timing")
    clock = clock_of(pipe, waits=any(plan is not None and plan.capacity is not None for plan in planned.values()))
    trial.rounds = effort.rounds
    counting = effort.counting_seconds(contenders, trial.pace)
    timed = trial.time_contenders(contenders, effort.timed, planned, clock, lambda: left() - counting)
    for name, found in timed.items():
        figures[name] |= found
    for contender in contenders:
        figures[contender.name] |= _known(contender, field, quality)
        if contender.share > 0 and (contender.point is not None or trial.judge.varies):
            figures[contender.name][PREDICTED] = 1 / contender.share
    if effort.counted:
        tell("memory")
        for name, found in trial.measure_memory(contenders, effort.timed, planned).items():
            figures[name] |= found
    add_equal_time(contenders, figures)
    basis = Basis(
        prompts=min(effort.prompts, len(held_out.prompts)),
        rounds=trial.rounds,
        timed=min(effort.timed, len(held_out.prompts)),
        quality=quality.name,
        unit=quality.unit,
        residual=quality.residual,
        device=trial.device,
        versions=read_versions(),
        left_out=tuple(list_omissions(effort, field, len(held_out.prompts)) + failed + _shared(split)),
        steps=field.steps,
        clock=clock.name,
        held_out=UNKNOWN if split is None else split.kind,
    )
    adopted = adopt_rivals(contenders, figures, field)
    dominated = find_dominated(contenders, adopted, figures)
    context = context_of(pipe, **held_out.call)
    proof, outputs = assemble_proof(
        contenders, figures, outputs, basis, adopted, dominated, asks=trial.judge.varies, context=context
    )
    rows_of_pictures = write_picture_rows(folder, outputs)
    pictures = Pictures(held_out.prompts[: effort.pictures] if rows_of_pictures else (), rows_of_pictures)
    proof = replace(proof, pictures=pictures, basis=replace(basis, seconds=round(now() - began, 1)))
    write_proof(folder, proof)
    return proof


def _shared(split: Split | None) -> list[str]:
    """What is left out as the search had seen it, in words."""
    return [f"{split.shared} held-out prompts, which are searched on"] if split is not None and split.shared else []


def _known(contender: Contender, field: Field, quality: Quality) -> Figures:
    """What needs no measuring: bytes of cached features, and quality on the prompts that were searched on."""
    if contender.point is None:
        return {"memory": 0.0}
    figures = {"memory": field.costs.memory(contender.point.schedule)}
    if ERROR in contender.point.objectives:
        figures["calibration quality"] = quality.shown(contender.point.objectives[ERROR])
    if PEAK in contender.point.objectives:
        figures["predicted peak"] = contender.point.objectives[PEAK]
    return figures


def add_equal_time(contenders: Sequence[Contender], figures: Mapping[str, Figures]) -> None:
    """Add to the figures of schedules what fewer steps give in the same time (see `find_quality_in_equal_time`)."""
    steps = [figures[contender.name] for contender in contenders if contender.group == "steps"]
    known = [(found["speedup"], found["quality"]) for found in steps if not is_doubtful(found)]
    for contender in contenders:
        quality = (
            None
            if contender.group == "steps"
            else find_quality_in_equal_time(known, figures[contender.name]["speedup"])
        )
        if quality is not None:
            figures[contender.name][FEWER] = quality


def assemble_proof(
    contenders: Sequence[Contender],
    figures: Mapping[str, Figures],
    outputs: Mapping[str, Any],
    basis: Basis,
    adopted: Mapping[str, Contender] | None = None,
    dominated: Mapping[str, str] | None = None,
    *,
    asks: bool = False,
    context: Context | None = None,
) -> tuple[Proof, dict[str, Any]]:
    """Assemble a proof without pictures, and outputs by the names in it: points are numbered from the fastest on.

    `adopted` are rivals that are points, too, by name (see `adopt_rivals`); others keep their names.
    `dominated` are points that leave the front, and by what (see `find_dominated`): they are kept as baselines.
    `asks` says whether the pipeline makes as many steps as it is asked for, so that points may tell how many. `context`
    is that of the uncached call; each point's own number of steps goes before that one's.
    """
    dominated = dominated or {}

    def fastest(contenders: Iterable[Contender]) -> list[Contender]:
        return sorted(contenders, key=lambda r: -figures[r.name]["speedup"])

    own = [r for r in contenders if r.group == "front"]
    front = fastest(r for r in (*own, *(adopted or {}).values()) if r.name not in dominated)
    names = {contender.name: f"front {i}" for i, contender in enumerate(front)}
    behind = fastest(r for r in own if r.name in dominated)
    names |= {contender.name: f"beaten {i}" for i, contender in enumerate(behind)}
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
    for contender in behind:
        assert contender.point is not None
        by = names.get(dominated[contender.name], dominated[contender.name])
        baselines[names[contender.name]] = Baseline(
            "beaten", figures[contender.name], contender.schedule, by, contender.point.storage, contender.point.budget
        )
    for contender in contenders:
        if contender.group != "front":
            baselines[contender.name] = Baseline(contender.group, figures[contender.name], contender.schedule)
    named = {name: outputs[name] for name in (UNCACHED, *baselines) if name in outputs}
    named |= {names[name]: outputs[name] for name in names if name in outputs}
    order = [UNCACHED, *names.values(), *baselines]
    proof = Proof(
        Front(tuple(points), basis.steps), tuple(names[contender.name] for contender in front), baselines, basis
    )
    return proof, {name: named[name] for name in dict.fromkeys(order) if name in named}
