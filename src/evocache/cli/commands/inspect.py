"""`evocache inspect`: what a model consists of, and what each part costs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import InputError, shorten
from ...loading.pipelines import choose_steps, load_pipeline
from ..inputs import argument_files
from ..inputs.architecture_names import count_architecture, is_architecture
from ..inputs.call_arguments import call_pipeline, make_example, parse_settings
from ..inputs.model_loading import await_loading
from ..inputs.number_options import MAX_COUNT, MAX_STEPS
from ..inputs.schedule_choice import Choice, pick
from ..inputs.schedule_options import MinQuality, PointMemory, Schedule, Speedup
from ..ui.console import errors
from ..ui.model_view import View
from ..ui.step_count import count_steps
from ..ui.waits import Waits

if TYPE_CHECKING:
    from ...memory.planner.planner import Held
    from ...model import Model
    from ...model.probe import Probe
    from ...schedule import Schedule as Cells


REPEATS = 3
"""Timed calls of each denoiser."""


def inspect(
    model: Annotated[str, typer.Argument(help="Zoo name, folder of a diffusers pipeline, hub id, or arch:NAME.")],
    steps: Annotated[int | None, typer.Option(min=1, max=MAX_STEPS, help="Denoising steps of a generation.")] = None,
    depth: Annotated[
        int | None,
        typer.Option(
            min=1, max=MAX_COUNT, help="Show each component down to this depth, equal ones on lines of their own."
        ),
    ] = None,
    schedule: Schedule = None,
    speedup: Speedup = None,
    min_quality: MinQuality = None,
    memory: PointMemory = None,
    image: argument_files.Pictures = None,
    mask: argument_files.Mask = None,
    set_: argument_files.Settings = None,
    stages: Annotated[
        bool, typer.Option("--stages", help="Also run a generation, and show the memory of each stage.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; every component, whatever the depth.")] = False,
    device: Annotated[str, typer.Option(help="Where to measure: auto, cpu, cuda, cuda:1, mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
) -> None:
    """Show the component tree of a model, with shapes, bytes, and shares of FLOPs and time.

    arch:NAME is a well-known denoiser in its published size, counted without weights: FLOPs, but no times.
    With --schedule, also what the schedule executes.
    """
    choice = pick(schedule, speedup, min_quality, memory, model=model)
    if is_architecture(model):
        if image or mask:
            raise InputError(f"a picture for {model}", "a pipeline with weights", "leave --image and --mask out")
        found, probe = count_architecture(model, set_ or [], dtype=dtype, device=device, stages=stages)
        count = steps or (choice.steps if choice else None) or found.steps
        program = _compile_schedule(probe.model, choice, count) if choice else None
        view = View(model, found.cls, probe.model, probe, program, program.steps if program else count, {})
    else:
        view = _view_pipeline(model, steps, choice, parse_settings(set_, image, mask), stages, device, dtype)
    if as_json:
        typer.echo(json.dumps(view.document(), indent=2))
    else:
        view.print(depth)


def _view_pipeline(
    model: str,
    steps: int | None,
    choice: Choice | None,
    further: dict[str, Any],
    stages: bool,
    device: str,
    dtype: str,
) -> View:
    """Load a pipeline, measure it, and return what is shown."""
    with Waits() as wait:
        await_loading(wait, model)
        pipe = load_pipeline(model, device=device, dtype=dtype)
        from ...model import discover

        found = discover(pipe)
        count = choose_steps(pipe, steps or (choice.steps if choice else None))
        program = _compile_schedule(found, choice, count) if choice else None
        call = {"num_inference_steps": program.steps if program else count, **further}
        with _show_calls(found, wait):
            probe = _probe(pipe, call)
        held = _measure_stages(pipe, found, make_example(pipe, call), program, wait) if stages else {}
    return View(model, type(pipe).__name__, found, probe, program, program.steps if program else count, held)


def _compile_schedule(model: Model, choice: Choice, steps: int) -> Cells:
    """Compile the schedule for the model's tree; refuse what `apply` refuses."""
    from ...policies import Gate
    from ...runtime.program.program import check, resolve

    program = resolve(choice.what)
    check(program, model)
    if isinstance(program, Gate):
        raise program.needs_generation()
    return program.schedule(model.tree, max(steps, program.min_steps))


@contextmanager
def _show_calls(model: Model, wait: Waits) -> Iterator[None]:
    """Within the context, show calls of denoisers as they end: one that counts, and those that are timed."""
    wait.count("measuring", (1 + REPEATS) * len(model.denoisers))
    hooks = [d.module.register_forward_hook(lambda *_: wait.advance()) for d in model.denoisers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _probe(pipe: Any, call: dict[str, Any]) -> Probe | None:
    """Measure the components; return None with a note if the pipeline needs more than a prompt."""
    from ...model.probe import probe_pipeline

    given = make_example(pipe, call)
    try:
        return probe_pipeline(pipe, given, repeats=REPEATS)
    except Exception as error:
        errors().print(
            f"not measured: {shorten(error)}; --set may give what the pipeline asks for",
            style="yellow",
            markup=False,
        )
        return None


def _measure_stages(
    pipe: Any, model: Model, call: dict[str, Any], schedule: Cells | None, wait: Waits
) -> dict[str, Mapping[str, Held]]:
    """Measure the memory of each stage, uncached and, if there is a schedule, under it."""
    from ...runtime import apply
    from ...runtime.estimate.measure import measure

    def generate() -> None:
        with count_steps(pipe, wait.advance):
            call_pipeline(pipe, call)

    wait.count("generating, steps", call["num_inference_steps"] * (1 if schedule is None else 2))
    out: dict[str, Mapping[str, Held]] = {"uncached": measure(pipe, model, generate)}
    if schedule is not None:
        with apply(pipe, schedule, measure=True) as handle:
            generate()
            out[schedule.provenance.origin or "scheduled"] = handle.stats.stages
    return out
