"""`evocache evolve`: a front of schedules for a model, found by evolution."""

from __future__ import annotations

import math
import operator
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import InputError, ZooError
from ...loading.dtypes import check_device, check_dtype
from ...loading.pipelines import choose_steps, load_pipeline, locate
from ...search.config import EvolveConfig
from ..inputs import argument_files
from ..inputs.call_arguments import choose_batch, parse_settings, select_arguments
from ..inputs.model_loading import MODELS
from ..inputs.number_options import MAX_COUNT, MAX_SEED, MAX_STEPS, check_amount
from ..inputs.prompts import drop_repeats, gather
from ..inputs.storage_names import check_storage
from ..inputs.worker_count import check_count
from ..inputs.worker_count import count_workers as processes
from ..ui.console import errors
from ..ui.front_table import read_run_history, show_front
from ..ui.live_display import Live
from ..ui.stop_signals import Terminated

if TYPE_CHECKING:
    from ...schedule.front import Front, Point

HELD_OUT = 32
"""Prompts that a front is proven on, where the user names none."""


def evolve(
    model: Annotated[str, typer.Option("--model", "-m", help=MODELS)] = "zoo:emoji",
    out_: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the run; a run that exists is continued.")
    ] = Path("runs/evolve"),
    prompts: Annotated[Path | None, typer.Option(help="File of prompts to calibrate and evolve on.")] = None,
    held_out: Annotated[
        Path | None, typer.Option(help="File of prompts for the proof; some of --prompts if not given.")
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, max=MAX_COUNT, help="How many prompts to evolve on.")] = 16,
    time: Annotated[
        str, typer.Option("--time", metavar="TIME", help="Time for the whole command: 90s, 10m, 2h; or none.")
    ] = "10m",
    generations: Annotated[
        int, typer.Option(min=0, max=MAX_COUNT, help="Most generations.")
    ] = EvolveConfig.generations,
    objective: Annotated[
        list[str] | None,
        typer.Option(help="Minimised beside the error: latency, macs, memory (cached) or peak; latency,peak for two."),
    ] = None,
    quality: Annotated[
        str | None, typer.Option(help="latent (default), psnr, ssim, clip:MODEL, lpips:FOLDER, imagereward:NAME.")
    ] = None,
    reward: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:FUNCTION", help="Instead of --quality: reward(images, prompts), higher is better."
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory",
            metavar="SIZE",
            help="Most memory of a generation, weights included, such as 2GB; its peak is minimised.",
            callback=check_amount,
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="none,bf16,...",
            help="With the peak: types that features may be stored in; all if not given.",
            callback=check_storage,
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=2, max=MAX_STEPS, help="Denoising steps.")] = None,
    least_steps: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=MAX_STEPS,
            help="Fewest steps of a schedule; a sixth of --steps if not given.",
        ),
    ] = None,
    start: Annotated[
        list[str] | None,
        typer.Option(metavar="RUN", help="Also start from the front of another run, of this model or a variant."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Seed of the search and of the first prompt.")] = (
        EvolveConfig.seed
    ),
    batch: Annotated[
        int | None, typer.Option(min=1, max=MAX_COUNT, help="Prompts in one call: 16 if not given, 1 with pictures.")
    ] = None,
    workers: Annotated[
        str, typer.Option(help="Processes that evaluate, or auto: a core or GPU each.", callback=check_count)
    ] = "auto",
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Evaluate on a Ray cluster: host:port, or auto.")
    ] = None,
    image: argument_files.Pictures = None,
    mask: argument_files.Mask = None,
    set_: argument_files.Settings = None,
    device: Annotated[str, typer.Option(help="Where to run: auto, cpu, cuda.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
) -> None:
    """Evolve a Pareto front of caching schedules; Ctrl-C stops it, the same command continues it."""
    seconds = parse_duration(time)
    wanted = parse_settings(set_, image, mask, num_inference_steps=steps)
    judge = _choose_judge(quality, reward)
    check_dtype(dtype)
    check_device(device)
    shown = _choose_shown(judge)
    texts, proof = _choose_prompts(locate(model), prompts, held_out, count, seed)
    fronts = _read_fronts(start)
    config = EvolveConfig(
        budget_seconds=seconds,
        held_out=proof,
        objectives=_split_names(objective),
        judge=judge,
        max_memory=memory,
        storages=_split_names([storage] if storage else None),
        least_steps=least_steps,
        generations=generations,
        seed=seed,
        ray=ray,
        load=None if ray and Path(model).is_dir() else partial(_load_in_worker, model, device, dtype),
    )
    with _say_how_to_continue(), warnings.catch_warnings(), Live(seconds, shown, model=model) as live:
        pipe = load_pipeline(model, device=device, dtype=dtype)
        call = {"num_inference_steps": choose_steps(pipe), **select_arguments(pipe, **wanted)}
        from ...evolve_run import evolve as run
        from ...schedule.front.comparison import DISTURBED

        live.workers = processes(workers, pipe, seconds, config.search_settings(len(texts)).offspring)
        warnings.filterwarnings("ignore", DISTURBED)  # the table below says it
        left = None if seconds is None else max(1.0, seconds - live.elapsed)  # loading is a part of the whole
        run(
            pipe,
            texts,
            config=replace(config, budget_seconds=left),
            out=out_,
            call=call,
            start=_retarget(fronts, pipe, call),
            batch=choose_batch(batch, EvolveConfig.batch, call),
            workers=live.workers,
            tell=live.tell,
            stage=live.stage,
            watch=live.watch,
        )
    from ...validation.proof_file import read_proof

    show_front(read_proof(out_), read_run_history(out_))


def _read_fronts(runs: list[str] | None) -> list[Front]:
    """Read the fronts of other runs."""
    from ...validation.proof_file import read_proof

    return [read_proof(run).front for run in runs or ()]


def _retarget(fronts: Sequence[Front], pipe: Any, call: Mapping[str, Any]) -> list[Point]:
    """Move the points of other runs' fronts to a pipeline and its number of steps."""
    return [p for front in fronts for p in front.retarget(pipe, steps=call.get("num_inference_steps")).points]


def _split_names(given: list[str] | None) -> list[str] | None:
    """Split names that were given one by one or with commas between them; None if there are none."""
    return [name.strip() for text in given for name in text.split(",")] if given else None


def _load_in_worker(model: str, device: str, dtype: str) -> Any:
    """Load the pipeline in a worker."""
    return load_pipeline(model, device=device, dtype=dtype)


def _choose_judge(quality: str | None, reward: str | None) -> str:
    if quality is not None and reward is not None:
        raise InputError("both --quality and --reward", "one of them", "leave one out")
    return quality or reward or str(EvolveConfig.judge)


def _choose_shown(judge: str) -> Callable[[float], float]:
    """Choose how errors are shown: as the quality shows them, or negated where that would need a model."""
    from ...search.evaluate.quality import quality

    return operator.neg if ":" in judge else quality(judge).shown


@contextmanager
def _say_how_to_continue() -> Iterator[None]:
    """Within the context, an interrupt prints the command that continues."""
    try:
        yield
    except KeyboardInterrupt as signal:
        again = shlex.join(["evocache", *sys.argv[1:]])
        errors().print(f"interrupted; what was evaluated is kept, and this continues:\n  {again}", markup=False)
        raise typer.Exit(143 if isinstance(signal, Terminated) else 130) from None


def parse_duration(text: str) -> float | None:
    """Parse a duration such as `90s`, `10m`, `1.5h` into seconds; None for `none`.

    Raises:
        InputError: if it is none.
    """
    if text == "none":
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not match:
        raise InputError(f"--time {text!r}", "a duration such as 90s, 10m or 2h, or none", "try --time 10m")
    seconds = float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]
    if not seconds or not math.isfinite(seconds):
        raise InputError(
            f"--time {text!r}", "more than 0 seconds", "try 5m, or --generations 0 to prove the seeds alone"
        )
    return seconds


def _choose_prompts(
    model: str, prompts: Path | None, held_out: Path | None, count: int, seed: int
) -> tuple[list[str], list[str]]:
    """Choose prompts to evolve on, and others for the proof; none if there are too few (see `split_prompts`)."""
    proof = gather([], held_out) if held_out else []
    if prompts is not None:
        from ...validation.held_out_split import PROMPTS, split_prompts

        texts = drop_repeats(gather([], prompts))
        if proof:
            return texts[:count], proof
        apart = split_prompts(texts[: count + HELD_OUT], most=count)
        return list(apart.searched), list(apart.proven) if apart.kind == PROMPTS else []
    from ...zoo.models import find

    try:
        zoo = find(model)
    except ZooError:
        raise InputError(f"no prompts for {model}", "a file of prompts", "give one with --prompts") from None
    return zoo.sample_prompts(count, seed), proof or zoo.sample_prompts(HELD_OUT, seed + 1, held_out=True)
