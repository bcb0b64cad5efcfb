"""`evocache plan`: what a generation would hold, and how it can be made to fit a memory budget."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import InputError
from ...loading.dtypes import check_dtype
from ...loading.pipelines import load_pipeline, locate
from ..inputs import argument_files
from ..inputs.call_arguments import make_example, parse_settings
from ..inputs.model_loading import await_loading, predict_import
from ..inputs.number_options import MAX_COUNT, MAX_PIXELS, MAX_STEPS
from ..inputs.schedule_choice import pick
from ..inputs.schedule_options import Memory, MinQuality, Schedule, Speedup, Storage
from ..ui.console import out
from ..ui.waits import Waits

if TYPE_CHECKING:
    from ...memory.planner.planner import MemoryPlan
    from ...runtime.estimate.estimate import Planned


CONFIG_SECONDS = 2.0
"""What making a pipeline from its configs takes, about."""

MODULE_SECONDS = 0.003
"""What a module adds to the time of planning, about."""


def plan(
    model: Annotated[
        str, typer.Option("--model", "-m", help="Zoo name, folder of a diffusers pipeline, or hub id.")
    ] = "zoo:emoji",
    schedule: Schedule = None,
    speedup: Speedup = None,
    min_quality: MinQuality = None,
    memory: Memory = None,
    storage: Storage = None,
    steps: Annotated[int | None, typer.Option(min=1, max=MAX_STEPS, help="Denoising steps.")] = None,
    height: Annotated[int | None, typer.Option(min=1, max=MAX_PIXELS, help="Pixels.")] = None,
    width: Annotated[int | None, typer.Option(min=1, max=MAX_PIXELS, help="Pixels.")] = None,
    frames: Annotated[int | None, typer.Option(min=1, max=MAX_COUNT, help="Frames of a video.")] = None,
    image: argument_files.Pictures = None,
    mask: argument_files.Mask = None,
    set_: argument_files.Settings = None,
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    film: Annotated[
        bool, typer.Option("--film", help="Plan a video whose frames are written as they are decoded (`Handle.film`).")
    ] = False,
    offload: Annotated[
        bool,
        typer.Option("--offload/--no-offload", help="Whether components may be moved off the device between stages."),
    ] = True,
    plot: Annotated[Path | None, typer.Option(help="Also draw memory over the generation: a PNG file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a generation holds in each stage, and how it can be made to fit.

    Nothing is computed, and no weights are needed: of a hub id, only its configs are fetched.
    """
    given = parse_settings(set_, image, mask, num_inference_steps=steps, height=height, width=width, num_frames=frames)
    choice = pick(schedule, speedup, min_quality, holds=memory, model=model)
    what, name = (choice.what, choice.name) if choice else ("none", "uncached")
    check_dtype(dtype)
    locate(model)
    given = choice.asking(given) if choice else given
    from ...runtime.estimate.estimate import plan_memory
    from ..inputs.weightless import load_weightless

    with Waits() as wait:
        if locate(model).startswith("zoo:"):
            await_loading(wait, model)
            pipe = load_pipeline(model, device="cpu", dtype=dtype)
        else:
            wait.predict(f"reading the configs of {model}", predict_import() + CONFIG_SECONDS)
            pipe = load_weightless(model, dtype=dtype)
        call = make_example(pipe, given)
        wait.predict("planning", MODULE_SECONDS * _count_modules(pipe))
        planned = plan_memory(pipe, call, what, memory, offload=offload, storage=storage, film=film)
    if plot is not None:
        _draw(planned, plot)
    if as_json:
        typer.echo(json.dumps({"model": model, "schedule": name, **_describe(planned)}, indent=2))
    else:
        _print(model, type(pipe).__name__, name, planned)


def _count_modules(pipe: Any) -> int:
    """Count the modules in a pipeline, at any depth."""
    from ...model.pipeline_components import list_modules

    return sum(len(list(part.modules())) for part in list_modules(pipe).values())


def _draw(planned: Planned, path: Path) -> None:
    from ...report.figures.memory_plot import write_timeline

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_timeline(planned.timeline(), planned.as_it_is.peak, planned.plan.budget, path)
    except (OSError, ValueError) as error:
        raise InputError(
            f"--plot {str(path)!r} ({error})", "a PNG file that can be written", "choose another"
        ) from None


def _describe(planned: Planned) -> dict[str, Any]:
    """For machines; bytes and seconds."""
    plan = planned.plan

    def stages(of: MemoryPlan) -> dict[str, dict[str, int]]:
        return {name: {**held._asdict(), "bytes": held.bytes} for name, held in of.stages.items()}

    return {
        "budget": plan.budget,
        "storage": plan.storage,
        "steps": planned.steps,
        "calls": planned.footprint.calls,
        "components": dict(planned.footprint.weights),
        "as it is": {"peak": planned.as_it_is.peak, "stages": stages(planned.as_it_is)},
        "plan": {
            "peak": plan.peak,
            "stages": stages(plan),
            "offload": {name: list(needing) for name, needing in plan.offload.items()},
            "slices": {
                name: {path: cut.slices for path, cut in cuts.items()} for name, cuts in plan.cuts.items() if cuts
            },
            "decode slices": {name: cut.slices for name, cut in _find_decode_cuts(plan).items()},
            "decodes in groups": [name for name, cut in _find_decode_cuts(plan).items() if cut.slicing.groups],
            "features parked beyond": plan.capacity,
            "moved": plan.moved,
            "seconds": plan.seconds,
        },
        "timeline": [
            {"stage": moment.stage, "step": moment.step, **moment.held._asdict()} for moment in planned.timeline()
        ],
    }


def _print(model: str, pipeline: str, schedule: str, planned: Planned) -> None:
    """For people."""
    from rich.text import Text

    from ...memory.planner.plan_table import stage_table, summary

    console = out()
    said = (f"{schedule}, {planned.steps} steps", "dim")
    console.print(Text.assemble((model, "bold"), f"  {pipeline}  ", said, "\n"))
    console.print(stage_table(planned.plan.stages, planned.as_it_is.stages, console.width))
    console.print()
    for line in summary(planned.plan, planned.as_it_is):
        console.print(line, markup=False)
    if planned.plan.budget is None:
        console.print("--memory 8GB plans for a limit", markup=False)


def _find_decode_cuts(plan: MemoryPlan) -> Mapping[str, Any]:
    return plan.decode.cuts if plan.decode else {}
