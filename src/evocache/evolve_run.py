"""`evolve`: from a pipeline and a handful of prompts to a measured front."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .errors import MismatchError, RunError
from .memory.quantization import checked
from .runtime.user_warnings import warn
from .schedule import Schedule
from .schedule.front import Front, Point
from .search.calibrate.calibrate import WITHIN, calibrate
from .search.calibrate.calibration_file import Calibration, read_calibration, write_calibration
from .search.cost.hardware_rates import Rates
from .search.evaluate.faults import patiently
from .search.evaluate.fingerprint import fingerprint, sample, tolerance
from .search.evaluate.local import LocalEvaluator
from .search.evaluate.quality import Quality, quality
from .search.evaluate.rewards import Reward
from .search.evaluate.worker_recipe import spread
from .search.evaluate.workload import Workload
from .search.evolve_arguments import amounts, arguments, some_texts, starts, texts
from .search.genome.memory_genes import AS_IT_IS, PEAK, Design, Genes, plain
from .search.genome.search_space import Space
from .search.genome.step_counts import least_steps as usual_least
from .search.memory_cost import memory_pricer, rates, searched
from .search.objectives import ERROR, limited, parse_objectives
from .search.objectives import WITHIN as KEPT
from .search.optimise.settings import Settings
from .search.run import Progress, Run
from .search.seeds.seed_schedules import all_seeds
from .search.storage.run_identity import Identity, confirm, confirm_sample
from .search.storage.run_lock import locked_run
from .search.termination import terminable
from .units import in_bytes
from .validation.contenders import Field
from .validation.held_out_split import split
from .validation.memory_peaks import plan_for
from .validation.proof_file import Proof
from .validation.validate import SECONDS, validate

CALIBRATION = 4
"""Prompts that features and times are calibrated on."""

CALIBRATING = 0.15
"""Time for timing schedules in the calibration, relative to the evolution's, as far as that is less than `WITHIN`."""

PROOF = 0.25
"""Time of the proof, relative to the evolution's."""

LEAST_PROOF = 90.0
"""Seconds that a proof may take however short the evolution was."""


def evolve(
    pipe: Any,
    prompts: Sequence[str],
    *,
    call: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    budget_seconds: float | None = 600.0,
    held_out: Sequence[str] = (),
    objectives: Sequence[str] | None = None,
    judge: str | Quality | Reward = "latent",
    max_memory: int | str | None = None,
    storages: Sequence[str] | None = None,
    least_steps: int | None = None,
    settings: Settings | None = None,
    start: Iterable[Schedule | Point] = (),
    batch: int = 16,
    workers: int = 1,
    ray: str | None = None,
    load: Callable[[], Any] | None = None,
    tell: Callable[[Progress], bool | None] = lambda progress: None,
    stage: Callable[[str], None] = lambda name: None,
    watch: Callable[[int, int], None] = lambda answered, jobs: None,
) -> Front:
    """Evolve a Pareto front of schedules for a pipeline and prompts.

    Args:
        pipe: a diffusers pipeline.
        prompts: calibration prompts; 16 are enough as a rule. Where no others are given to prove on, some of these are
            held out: those beyond the number that `settings` names, or else a quarter, 4 at least, of 8 or more.
        call: further arguments of the pipeline's call (steps, guidance, size).
        out: folder of the run; going on with one that exists. A temporary one, which a warning names, when not given.
        budget_seconds: time for the evolution, over all sittings; None to run all generations.
        held_out: prompts that the front is proven on. Those that are among `prompts`, in whatever case and spacing, are
            left out. With fewer than 8 prompts and none to prove on, only the seeds are others, and figures say so.
        objectives: what is minimised beside the error: `latency`, `macs`, `memory` (bytes of cached features), `peak`
            (bytes of the whole generation when most is held, weights and decoding included, of one call of the first
            four prompts, or as many as a batch has); one or two of them. `latency` when not given. With `peak`, how
            generations are kept small is evolved, too: how far memory is pressed down by slices and parked features,
            which changes no output, and what features are stored in, which does.
        judge: `latent`, `psnr`, `ssim`, `lpips:FOLDER`, `clip:MODEL`, `module:function`, a function or a `Quality` (see
            `quality`).
        max_memory: most bytes, `"2GB"`, of the `peak`, which then is an objective, too; but of cached features where
            `memory` is an objective, and in a run that was begun so. No generation of the run
            holds more than such a peak, the uncached ones included: they are planned, and no call has more prompts
            than that whose peak it is.
        storages: what features may be stored in where the peak is searched, some of `none`, `bf16`, `fp8` and `int8`;
            all that make them smaller when not given.
        least_steps: fewest denoising steps that schedules may have, which are held against the uncached outputs of all
            steps nevertheless; a sixth of them when not given, and all of them to try no others. Others are tried only
            where the pipeline takes `num_inference_steps`, is given neither `timesteps` nor `sigmas`, and its scheduler
            counts what it is asked for, and not in a run that was begun without.
        settings: of the search.
        start: further schedules to start from, such as a front that was retargeted to this pipeline.
        batch: prompts in one call.
        workers: processes of this machine that evaluate; 1 is this one.
        ray: address of a Ray cluster whose machines evaluate instead, or `auto`.
        load: loads the pipeline in a worker, a function of a module; else workers get a copy of this one.
        tell: is told of every generation, and may stop the evolution by returning True.
        stage: is told what is being done.
        watch: is told how many of the jobs at hand have been answered, and how many they are.

    Returns:
        The front, measured on held-out prompts and by the clock, from the fastest to the slowest. What is beaten there,
        by whatever was measured, is no point of it; it is kept in the folder. A warning tells where the machine was
        too busy for its figures.

    Raises:
        BudgetError: if not even the uncached generation can be kept within `max_memory`; nothing is computed then.
        DeviceError: if memory runs out, or a device fails, however often it is tried; the same call goes on from there.
        IdentityError: if the folder holds a run of another model, solver, type, batch, call or quality; nothing is
            evaluated then.
        JournalError: if its journal is damaged, or of another version.
        RunError: if the pipeline, prompts, settings or folder cannot be used.
    """
    apart = split(texts(prompts, "prompts"), texts(held_out, "held_out"), settings.prompts if settings else None)
    amounts(budget_seconds, batch, workers, least_steps)
    prompts, call, begin = list(apart.searched), arguments(call), starts(start)
    chosen = _sized(settings or Settings.of(len(prompts)), len(prompts))
    names = parse_objectives(some_texts(objectives, "objectives"))
    for storage in some_texts(storages, "storages") or ():
        checked(storage)
    most = None if max_memory is None else in_bytes(max_memory)
    folder = _folder(out)
    if out is None:
        warn(f"the run is kept in {folder}; name a folder with out= to choose it")
    with locked_run(folder), terminable():
        bounded = limited(names)
        within = most if bounded == PEAK else None
        # the limit is of a call of so many prompts, so that no other has more
        batch = batch if within is None else min(batch, CALIBRATION, len(prompts))
        workload = Workload.of(prompts, call, seed=chosen.seed * 1000, batch=batch)
        evaluator = LocalEvaluator(pipe, workload, quality(judge), within)
        identity = confirm(folder, fingerprint(pipe, workload, evaluator.quality))
        _possible(evaluator)
        stage("calibrating")
        _same(evaluator, folder, identity)
        calibration, least = _calibrated(evaluator, folder, budget_seconds, least_steps)
        costs, steps = calibration.costs, calibration.steps
        tree = evaluator.tree
        space = Space(tree, steps, least)
        seeds = all_seeds(tree, calibration, least)
        begun = [_fitting(given, space) for given in begin]
        if most is not None:
            names = tuple(dict.fromkeys((*names, bounded)))
            chosen = replace(chosen, limits={**chosen.limits, bounded: float(most)})
        memory = None
        if PEAK in names:
            known = _rated(evaluator, folder, calibration)
            evaluator.machine = known.machine  # workers, and later sittings, plan by the same
            memory = searched(memory_pricer(evaluator, _first(workload), known, most), storages, seeds)
        begun = [design if memory and design.genes.storage in memory.storages else plain(design) for design in begun]
        if not evaluator.quality.residual:
            chosen = replace(chosen, polish=0)
        judged = evaluator.quality.name
        begun_with: dict[str, Any] = {
            "identity": identity.digest,
            "prompts": list(prompts),
            "judge": judged,
            "objectives": list(names),
        }
        if within is not None:
            begun_with[KEPT] = within
        stage("evolving")
        errors: dict[str, float] = {}

        def noting(progress: Progress) -> bool | None:
            points = [point for point in progress.state.points if point.storage == "none"]
            errors.update({point.schedule.digest: point.objectives[ERROR] for point in points})
            return tell(progress)

        with spread(evaluator, judge, workers=workers, ray=ray, load=load, parts=identity.parts) as group:
            run = Run(
                folder,
                space,
                seeds,
                chosen,
                lambda schedule: costs.price(schedule, tuple(name for name in names if name != PEAK)),
                group,
                identity=begun_with,
                memory=memory,
                start=list({design.digest: design for design in begun}.values()),
                budget_seconds=budget_seconds,
                watch=watch,
            )
            front = run.evolve(noting)
        stage("proving")
        held = Workload.of(apart.proven, call, seed=chosen.seed * 1000 + 500_000, batch=batch)
        seconds = SECONDS if budget_seconds is None else max(LEAST_PROOF, PROOF * budget_seconds)
        called, own = len(_first(workload)) if memory else 0, frozenset(design.schedule.digest for design in begun)
        field = Field(front, seeds, costs, steps, errors, called, least, own)

        def proven() -> Proof:
            return validate(
                pipe, evaluator.quality, held, field, folder, seconds=seconds, within=within, apart=apart, tell=stage
            )

        proof = patiently(proven, waits=evaluator.waits)
    for said in proof.noise:
        warn(said)
    return proof.front


def _sized(settings: Settings, prompts: int) -> Settings:
    """Settings of a search that sees so many prompts, where some of those that they were made for are held out."""
    if not prompts or prompts >= settings.prompts:
        return settings
    return replace(settings, prompts=prompts, rungs=tuple(rung for rung in settings.rungs if rung < prompts))


def _possible(evaluator: LocalEvaluator) -> None:
    """Refuse a limit that not even the uncached call of a user keeps, decoding included; nothing is computed."""
    if evaluator.within is not None:
        plan_for(evaluator.pipe, None, evaluator.within, evaluator.arguments(_first(evaluator.workload)))


def _same(evaluator: LocalEvaluator, folder: Path, identity: Identity) -> None:
    """Refuse to continue a run whose first uncached outputs, or the quality's figures of them, were others."""
    prompts = _first(evaluator.workload)
    outputs = evaluator.references(prompts)
    figures = evaluator.quality.uncached(outputs, [evaluator.workload.prompts[number] for number in prompts])
    confirm_sample(folder, identity, sample(outputs, figures), tolerance(evaluator.pipe))


def _fitting(given: Schedule | Point, space: Space) -> Design:
    """What to start from, with its own number of steps where the search may have it, else with that at hand.

    Raises:
        MismatchError: if it was made for another model.
    """
    schedule, genes = (given.schedule, Genes(given.storage)) if isinstance(given, Point) else (given, AS_IT_IS)
    if schedule.tree.components != space.tree.components:
        raise MismatchError(f"{schedule!r} to start from", "schedules for this model", "retarget them to the pipeline")
    fits = space.least is not None and space.least <= schedule.steps
    return Design(schedule if fits else schedule.resampled(space.steps), genes)


def _folder(out: str | Path | None) -> Path:
    folder = Path(out) if out is not None else Path(tempfile.mkdtemp(prefix="evocache-run-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass  # better found out now than when the calibration is to be written
    except OSError as error:
        raise RunError(
            f"{folder} ({(error.strerror or 'cannot be written').lower()})",
            "a folder that can be written",
            "choose another",
        ) from None
    return folder


def _calibrated(
    evaluator: LocalEvaluator, folder: Path, budget_seconds: float | None, wanted: int | None
) -> tuple[Calibration, int | None]:
    """Calibrate, or take what an earlier sitting calibrated; and the fewest steps, if there may be fewer.

    Raises:
        RunError: if fewer steps are wanted that cannot be had.
    """
    earlier = read_calibration(folder)
    if earlier is not None:
        return earlier, _least(earlier.steps, wanted, possible=earlier.costs.varies)
    prompts = _first(evaluator.workload)
    least = _least(evaluator.steps, wanted, possible=evaluator.varies)
    if least is not None and not evaluator.manages(least):
        least = _least(evaluator.steps, wanted, possible=False)
    within = WITHIN if budget_seconds is None else min(WITHIN, CALIBRATING * budget_seconds)
    found = patiently(lambda: calibrate(evaluator, prompts, within=within, least=least), waits=evaluator.waits)
    write_calibration(folder, found)
    known = read_calibration(folder)  # as later sittings will: the file's digits are fewer, and seeds follow from them
    assert known is not None
    return known, least


def _first(workload: Workload) -> list[int]:
    """Numbers of the prompts in the call that is calibrated."""
    return workload.batches(range(min(CALIBRATION, len(workload.prompts))))[0]


def _rated(evaluator: LocalEvaluator, folder: Path, calibration: Calibration) -> Rates:
    """What the machine takes for keeping generations small; measured once, and kept with the calibration."""
    if calibration.rates is None:
        write_calibration(folder, replace(calibration, rates=rates(evaluator, calibration)))
        calibration = read_calibration(folder) or calibration
    assert calibration.rates is not None
    return calibration.rates


def _least(steps: int, wanted: int | None, *, possible: bool) -> int | None:
    """Fewest steps that schedules may have; None if all have the same."""
    least = usual_least(steps) if wanted is None else wanted
    if least >= steps:
        return None
    if possible:
        return least
    if wanted is not None:
        raise RunError(
            f"at least {wanted} steps of {steps}, where they cannot be varied",
            "a pipeline that makes as many steps as num_inference_steps says, evolved from the start with fewer ones",
            "leave it out, or use a new folder",
        )
    return None
