"""`evocache front`: the schedules that a run has found, as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import out

if TYPE_CHECKING:
    from ..schedule.front import Front


def front(
    run: Annotated[Path, typer.Argument(help="Folder of a run, or a front.json.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a front: speed-up, quality and memory, measured on held-out prompts, next to what it was held against."""
    from ..search.files import read_front

    found, baselines = read_front(run)
    if as_json:
        points = [{"schedule": p.schedule.digest, **p.measured} for p in found]
        typer.echo(json.dumps({"points": points, "baselines": baselines}, indent=2))
        return
    show_front(found, run)


def show_front(found: Front, run: Path) -> None:
    """Print the table of a front, and of what it was measured against."""
    from ..report.tables import Column, table
    from ..search.files import read_front

    _, baselines = read_front(run)
    executed = {p.schedule.digest: p.schedule.executed_fraction() for p in found}
    groups: dict[str, list[tuple[str, Mapping[str, float], float | None]]] = {
        "evolved": [(f"front {i}", p.measured, executed[p.schedule.digest]) for i, p in enumerate(found)]
    }
    for name, given in baselines.items():
        if given["group"] != "front":
            groups.setdefault(given["group"], []).append((name, given, None))
    numbers = ("speedup", "quality", "middle half", "cached", "executed")
    columns = [Column("", style="cyan", room="cut"), *(Column(name, numeric=True) for name in numbers)]
    cells: list[Sequence[str] | None] = []
    for rows in groups.values():
        cells += [None] if cells else []
        for name, figures, share in sorted(rows, key=lambda row: -row[1]["speedup"]):
            cells.append(_cells(name, figures, share))
    out().print(table(columns, cells))
    note = "quality: mean over held-out prompts, higher is better, and its middle half; speedup: median of rounds"
    out().print(f"\n{note}", style="dim", markup=False)


def _cells(name: str, figures: Mapping[str, float], share: float | None) -> tuple[str, ...]:
    from ..report.tables import in_bytes, in_percent

    return (
        name,
        f"{figures['speedup']:.2f}x",
        f"{figures['quality']:.2f}",
        f"{figures['quality q1']:.1f} .. {figures['quality q3']:.1f}",
        in_bytes(figures["memory"]) if figures["memory"] else "-",
        "" if share is None else in_percent(share),
    )
