"""`evocache policies`: the caching methods that a schedule can be named by."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def policies(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the caching policies that --schedule and evocache.apply accept."""
    from ...policies import POLICIES

    rows = [{"name": p.name, "usage": p.usage, "summary": p.summary, "paper": p.paper} for p in POLICIES.values()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.text import Text

    from ...tables import Column, table
    from ..ui.console import out

    cells = [
        (row["usage"], Text.assemble(row["summary"], (f"\n{row['paper']}" if row["paper"] else "", "dim")))
        for row in rows
    ]
    out().print(table((Column("policy", style="cyan"), Column("what it does", room="wrap")), cells))
    out().print('\nevocache generate -p "..." --schedule fora:2\nevocache.apply(pipe, "fora:2")', style="dim")
