"""`evocache front`: the schedules that a run has found, as a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..ui.front_table import describe_proof, read_run_history, show_front

if TYPE_CHECKING:
    pass


def front(
    run: Annotated[Path, typer.Argument(help="Folder of a run, or a front.json.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a front: speed-up, quality and memory as they were measured, next to what it was held against."""
    from ...validation.proof_file import read_proof

    proof = read_proof(run)
    history = read_run_history(run)
    if as_json:
        failures = {} if history is None else {"evaluations": history.evaluations, "failures": list(history.failures)}
        typer.echo(json.dumps({**describe_proof(proof), **failures}, indent=2))
    else:
        show_front(proof, history)
