"""`evocache schedule`: look at schedules, and convert their files."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..inputs.number_options import MAX_STEPS
from ..ui.failures import InputError, examples

if TYPE_CHECKING:
    from ...schedule import Schedule

schedule = typer.Typer(no_args_is_help=True, help="Look at schedules, and convert their files.")


class Format(str, Enum):
    """File formats."""

    evocache = "evocache"
    ecad = "ecad"


def resolve(what: str, model: str, steps: int | None) -> Schedule:
    """The schedule of a file, or of a policy for a model; for `steps` steps, if given.

    Raises:
        ScheduleError: if the file is no schedule.
        PolicyError: if it is no file and no policy, or the policy makes no sense for the model.
        ModelError: if the policy's model cannot be loaded.
    """
    from ...policies import is_spec, parse
    from ...schedule import load

    if not is_spec(what) and Path(what).exists():
        found = load(what)
        return found if steps is None else found.resampled(steps)
    policy = parse(what)
    from ..inputs.model_loading import load_tree

    tree, classes, usual = load_tree(model)
    made = policy.schedule(tree, steps or max(usual, policy.min_steps))
    return type(made)(made.tree, made.orders, made.gains, classes, made.provenance)


@schedule.command(
    epilog=examples(
        "evocache schedule show fora:3",
        "evocache schedule show steps:0,1,4,8,12 --steps 16 --detail",
        "evocache schedule show my-schedule.json",
    )
)
def show(
    what: Annotated[str, typer.Argument(metavar="FILE|SPEC", help="A schedule file, or a policy such as fora:3.")],
    model: Annotated[
        str, typer.Option("--model", "-m", help="The model that a policy is compiled for; arch:NAME needs no weights.")
    ] = "zoo:emoji",
    steps: Annotated[
        int | None, typer.Option(min=1, max=MAX_STEPS, help="Number of steps; a file is resampled.")
    ] = None,
    detail: Annotated[bool, typer.Option("--detail", help="One row for each component.")] = False,
) -> None:
    """Show a schedule as a heat map: what is computed, reused or forecast at every step."""
    from ...schedule.render import heatmap
    from ..ui.console import out

    out().print(heatmap(resolve(what, model, steps), detail=detail))


@schedule.command(
    epilog=examples(
        "evocache schedule convert ecad-schedule.json mine.json",
        "evocache schedule convert mine.json theirs.json --to ecad",
    )
)
def convert(
    source: Annotated[str, typer.Argument(metavar="IN", help="A schedule file, evocache's or ECAD's; or a policy.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.")],
    to: Annotated[Format, typer.Option("--to", help="Format of the file written.")] = Format.evocache,
    model: Annotated[
        str, typer.Option("--model", "-m", help="The model that a policy is compiled for; arch:NAME needs no weights.")
    ] = "zoo:emoji",
    steps: Annotated[
        int | None, typer.Option(min=1, max=MAX_STEPS, help="Number of steps; a file is resampled.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Overwrite OUT.")] = False,
) -> None:
    """Convert a schedule file, or save a policy as one."""
    from ...schedule import save
    from ...schedule.io.ecad import dumps_ecad
    from ...schedule.io.strict_json import write_text
    from ..ui.console import errors

    if target.exists() and not force:
        raise InputError(f"{str(target)!r}, which exists", "a new file", "choose another name, or add --force")
    found = resolve(source, model, steps)
    if to is Format.ecad:
        write_text(target, dumps_ecad(found))
    else:
        save(found, target)
    share = f"{found.executed_fraction():.0%}"
    errors().print(f"{target}: {found.steps} steps, {share} executed, {found.digest}", soft_wrap=True, markup=False)
    for name, note in found.provenance.notes.items():
        errors().print(f"  {name}: {note}", style="dim", markup=False)
