"""`evocache schedule`: look at schedules, convert their files, take them out of runs."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import InputError
from ..inputs.number_options import MAX_STEPS
from ..inputs.schedule_choice import Choice, pick
from ..inputs.schedule_options import MinQuality, PointMemory, Speedup
from ..ui.command_line import Command
from ..ui.failures import format_examples
from ..ui.picture_files import make_slug

if TYPE_CHECKING:
    from ...schedule import Schedule

schedule = typer.Typer(no_args_is_help=True, help="Look at schedules, convert their files, take them out of runs.")

What = Annotated[
    str, typer.Argument(metavar="FILE|SPEC|RUN", help="A schedule file, a policy such as fora:3, or a run's folder.")
]
Model = Annotated[
    str,
    typer.Option("--model", "-m", help="The model that a policy is compiled for; arch:NAME needs no weights."),
]
Steps = Annotated[int | None, typer.Option(min=1, max=MAX_STEPS, help="Number of steps; a file is resampled.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Overwrite a file that exists.")]


class Format(str, Enum):
    """File formats."""

    evocache = "evocache"
    ecad = "ecad"


def resolve(choice: Choice, model: str, steps: int | None) -> Schedule:
    """Return the chosen schedule, for `steps` steps if given; compile it for a model if it is a policy.

    Raises:
        PolicyError: if the policy makes no sense for the model.
        ModelError: if the policy's model cannot be loaded.
    """
    from ...policies import Gate, Policy
    from ...schedule.front import Point

    found = choice.what
    if not isinstance(found, (Policy, Gate)):
        cells = found.schedule if isinstance(found, Point) else found
        return cells if steps is None else cells.resampled(steps)
    from ..inputs.model_tree import load_tree

    if isinstance(found, Gate):
        raise found.needs_generation()
    tree, classes, usual = load_tree(model)
    made = found.schedule(tree, steps or max(usual, found.min_steps))
    return type(made)(made.tree, made.orders, made.gains, classes, made.provenance)


def _choose(what: str, speedup: float | None, min_quality: float | None, memory: str | None) -> Choice:
    choice = pick(what, speedup, min_quality, memory)
    assert choice is not None  # something is named
    return choice


@schedule.command(
    cls=Command,
    epilog=format_examples(
        "evocache schedule show fora:3",
        "evocache schedule show steps:0,1,4,8,12 --steps 16 --detail",
        "evocache schedule show my-schedule.json",
        "evocache schedule show runs/emoji --speedup 2",
    ),
)
def show(
    what: What,
    speedup: Speedup = None,
    min_quality: MinQuality = None,
    memory: PointMemory = None,
    model: Model = "zoo:emoji",
    steps: Steps = None,
    detail: Annotated[bool, typer.Option("--detail", help="One row for each component.")] = False,
) -> None:
    """Show a schedule as a heat map: what is computed, reused or forecast at every step."""
    from ...schedule.render import draw_heatmap
    from ..ui.console import out

    choice = _choose(what, speedup, min_quality, memory)
    found = resolve(choice, model, steps)
    if choice.description:
        out().print(choice.description, markup=False)
    out().print(draw_heatmap(found, detail=detail))


@schedule.command(
    cls=Command,
    epilog=format_examples(
        "evocache schedule convert ecad-schedule.json mine.json",
        "evocache schedule convert mine.json theirs.json --to ecad",
        "evocache schedule convert runs/emoji theirs.json --speedup 2 --to ecad",
    ),
)
def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE|SPEC|RUN", help="A schedule file, evocache's or ECAD's; a policy; or a run's folder."
        ),
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.")],
    to: Annotated[Format, typer.Option("--to", help="Format of the file written.")] = Format.evocache,
    speedup: Speedup = None,
    min_quality: MinQuality = None,
    memory: PointMemory = None,
    model: Model = "zoo:emoji",
    steps: Steps = None,
    force: Force = False,
) -> None:
    """Convert a schedule file, or save a policy or a point of a run's front as one."""
    choice = _choose(source, speedup, min_quality, memory)
    _refuse_existing(target, force)
    _write(resolve(choice, model, steps), target, to)


@schedule.command(
    cls=Command,
    epilog=format_examples(
        "evocache schedule export runs/emoji --speedup 2",
        "evocache schedule export runs/emoji --min-quality 40 --out schedules",
    ),
)
def export(
    what: What,
    out_: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where to write it.")] = Path("."),
    to: Annotated[Format, typer.Option("--to", help="Format of the file written.")] = Format.evocache,
    speedup: Speedup = None,
    min_quality: MinQuality = None,
    memory: PointMemory = None,
    model: Model = "zoo:emoji",
    steps: Steps = None,
    force: Force = False,
) -> None:
    """Write a schedule, say of a run, as a file to share that is named by what it is, and print the file's name."""
    from ..ui.console import out
    from ..ui.failures import make_folder

    choice = _choose(what, speedup, min_quality, memory)
    found = resolve(choice, model, steps)
    target = make_folder(out_) / f"{make_slug(choice.name)}-{found.steps}steps-{found.digest[:6]}.json"
    if not target.exists() or force:  # a file of that name has the same cells
        _write(found, target, to)
    out().print(str(target), markup=False, soft_wrap=True)


def _refuse_existing(target: Path, force: bool) -> None:
    """Refuse to overwrite what the user does not say to overwrite."""
    if target.exists() and not force:
        raise InputError(f"{str(target)!r}, which exists", "a new file", "choose another name, or add --force")


def _write(found: Schedule, target: Path, to: Format) -> None:
    """Write a file, and print what is in it."""
    from ...schedule import save
    from ...schedule.io.ecad import dumps_ecad
    from ...schedule.io.strict_json import write_text
    from ..ui.console import errors

    if to is Format.ecad:
        write_text(target, dumps_ecad(found))
    else:
        save(found, target)
    share = f"{found.executed_fraction():.0%}"
    errors().print(f"{target}: {found.steps} steps, {share} executed, {found.digest}", soft_wrap=True, markup=False)
    for name, note in found.provenance.notes.items():
        errors().print(f"  {name}: {note}", style="dim", markup=False)
