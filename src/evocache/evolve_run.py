"""`evolve`: from a pipeline and a handful of prompts to a measured front."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from .schedule.front import Front
from .search.calibrate.calibration_file import read_calibration
from .search.calibrate.run_calibration import CALIBRATION, calibrate_run, choose_first_call
from .search.config import EvolveConfig
from .search.evaluate.faults import retry_faults
from .search.evaluate.fingerprint import choose_tolerance, fingerprint, take_sample
from .search.evaluate.local import LocalEvaluator
from .search.evaluate.quality import quality
from .search.evaluate.worker_recipe import spread
from .search.evaluate.workload import Workload
from .search.evolve_arguments import check_texts
from .search.genome.memory_genes import PEAK, strip_memory
from .search.genome.search_space import Space
from .search.genome.start_designs import fit_design
from .search.memory_cost import choose_memory_search, make_memory_pricer, read_or_measure_rates
from .search.objectives import ERROR
from .search.objectives import WITHIN as KEPT
from .search.run import LEAST, Progress, Run
from .search.seeds.seed_schedules import make_seeds
from .search.storage.run_folder import make_run_folder
from .search.storage.run_identity import Identity, confirm, confirm_sample
from .search.storage.run_lock import lock_run
from .search.termination import end_on_sigterm
from .search.time_split import estimate_least_left, plan_proof_seconds, plan_search_end
from .user_warnings import warn
from .validation.contenders import Field
from .validation.held_out_split import split_prompts
from .validation.memory_peaks import plan_contender
from .validation.proof_file import Proof
from .validation.time_budget import estimate_least_seconds
from .validation.validate import SECONDS, validate

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .search.config import EvolveOptions


def evolve(
    pipe: Any,
    prompts: Sequence[str],
    *,
    config: EvolveConfig | None = None,
    out: str | Path | None = None,
    tell: Callable[[Progress], bool | None] = lambda progress: None,
    stage: Callable[[str], None] = lambda name: None,
    watch: Callable[[int, int], bool | None] = lambda answered, jobs: None,
    **options: Unpack[EvolveOptions],
) -> Front:
    """Evolve a Pareto front of schedules for a pipeline and prompts.

    Args:
        pipe: a diffusers pipeline.
        prompts: calibration prompts; 16 are enough as a rule. Where no others are given to prove on, some of these are
            held out: those beyond the number that `settings` names, or else a quarter, 4 at least, of 8 or more.
        config: the options below, as they were checked; those that are given beside it count instead of its own.
        out: folder of the run; going on with one that exists. A temporary one, which a warning names, when not given.
        tell: is told of every generation, and may stop the evolution by returning True.
        stage: is told what is being done.
        watch: is told how many of the jobs at hand have been answered, and how many they are; may stop the search by
            returning True, even in the middle of a generation. What was evaluated is proven.
        options: as follows.
        call: further arguments of the pipeline's call (steps, guidance, size).
        budget_seconds: time for all of it, calibration and proof included, over all sittings; None to run all
            generations.
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
        generations: most generations, 1000 when not given.
        seed: of all randomness.
        settings: of the search, instead of these two.
        start: further schedules to start from, such as a front that was retargeted to this pipeline.
        batch: prompts in one call.
        workers: processes of this machine that evaluate; 1 is this one.
        ray: address of a Ray cluster whose machines evaluate instead, or `auto`.
        load: loads the pipeline in a worker, a function of a module; else workers get a copy of this one.

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
    config = replace(config or EvolveConfig(), **options)
    most_prompts = config.settings.prompts if config.settings else None
    began = perf_counter()
    apart = split_prompts(check_texts(prompts, "prompts"), tuple(config.held_out), most_prompts)
    prompts, call = list(apart.searched), dict(config.call or {})
    chosen = replace(settings := config.search_settings(len(prompts)), limits={**settings.limits, **config.limits})
    names, within = config.minimised, config.within
    folder = make_run_folder(out)
    if out is None:
        warn(f"the run is kept in {folder}; name a folder with out= to choose it")
    with lock_run(folder), end_on_sigterm():
        # the limit is of a call of so many prompts, so that no other has more
        batch = config.batch if within is None else min(config.batch, CALIBRATION, len(prompts))
        workload = Workload.of(prompts, call, seed=chosen.seed * 1000, batch=batch)
        evaluator = LocalEvaluator(pipe, workload, quality(config.judge), within)
        identity = confirm(folder, fingerprint(pipe, workload, evaluator.quality))
        _possible(evaluator)
        stage("calibrating")
        called = len(choose_first_call(workload))
        uncached = _same(evaluator, folder, identity)
        total, least_proof = config.budget_seconds, estimate_least_seconds(uncached, called)
        if total is not None and read_calibration(folder) is None:
            left = total - (perf_counter() - began)
            _warn_if_short(left, estimate_least_left(uncached, LEAST, least_proof))
        calibration, least = calibrate_run(evaluator, folder, total, config.least_steps, uncached)
        costs, steps = calibration.costs, calibration.steps
        tree = evaluator.tree
        space = Space(tree, steps, least)
        seeds = make_seeds(tree, calibration, least)
        begun = [fit_design(given, space) for given in config.start]
        memory = None
        if PEAK in names:
            known = read_or_measure_rates(evaluator, folder, calibration)
            evaluator.machine = known.machine  # workers, and later sittings, plan by the same
            pricer = make_memory_pricer(evaluator, choose_first_call(workload), known, config.most_bytes)
            memory = choose_memory_search(pricer, config.storages, seeds)
        begun = [
            design if memory and design.genes.storage in memory.storages else strip_memory(design) for design in begun
        ]
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

        machines = spread(
            evaluator, config.judge, workers=config.workers, ray=config.ray, load=config.load, parts=identity.parts
        )
        with machines as group:
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
                budget_seconds=plan_search_end(total, least_proof),
                spent=perf_counter() - began,
                watch=watch,
            )
            front = run.evolve(noting)
        stage("proving")
        held = Workload.of(apart.proven, call, seed=chosen.seed * 1000 + 500_000, batch=batch)
        seconds = SECONDS if total is None else plan_proof_seconds(total, perf_counter() - began)
        own = frozenset(design.schedule.digest for design in begun)
        field = Field(front, seeds, costs, steps, errors, called if memory else 0, least, own)

        def proven() -> Proof:
            return validate(
                pipe, evaluator.quality, held, field, folder, seconds=seconds, within=within, split=apart, tell=stage
            )

        proof = retry_faults(proven, waits=evaluator.waits)
    for said in proof.noise:
        warn(said)
    return proof.front


def _possible(evaluator: LocalEvaluator) -> None:
    """Refuse a limit that not even the uncached call of a user keeps, decoding included; nothing is computed."""
    if evaluator.within is not None:
        plan_contender(
            evaluator.pipe, None, evaluator.within, evaluator.arguments(choose_first_call(evaluator.workload))
        )


def _warn_if_short(left: float, least: float) -> None:
    """Warn of seconds in which a run cannot be ended; it goes on, and takes the least."""
    if left < least:
        warn(
            f"the time is short: {max(0, round(left))} s are left, and the shortest calibration, search and proof of "
            f"this pipeline take about {round(least)} s here; they are made all the same"
        )


def _same(evaluator: LocalEvaluator, folder: Path, identity: Identity) -> float:
    """Refuse to continue a run whose first uncached outputs, or the quality's figures of them, were others.

    Returns:
        Seconds of the uncached call.
    """
    prompts = choose_first_call(evaluator.workload)
    evaluator.uncached(prompts[:1])  # warms up
    before = evaluator.seconds
    outputs = evaluator.references(prompts)
    figures = evaluator.quality.uncached(outputs, [evaluator.workload.prompts[number] for number in prompts])
    confirm_sample(folder, identity, take_sample(outputs, figures), choose_tolerance(evaluator.pipe))
    return evaluator.seconds - before
