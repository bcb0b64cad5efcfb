"""The tables of a front: as commands print it, and as it is shown while it evolves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from .console import out

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ...report.run.history import History
    from ...schedule.front import Point
    from ...validation.proof_file import Proof

Thing = TypeVar("Thing")

POINTS = 8
"""Points of a front that are shown while it evolves."""


def read_run_history(run: Path) -> History | None:
    """Read how a run went; None if there is no journal beside its front."""
    from ...report.run.history import read_history
    from ...search.storage.journal import JOURNAL

    folder = run if run.is_dir() else run.parent
    return read_history(folder) if (folder / JOURNAL).is_file() else None


def describe_proof(proof: Proof) -> dict[str, object]:
    """Return everything but the schedules' cells, for JSON."""
    from dataclasses import asdict

    points = [
        {
            "name": name,
            "schedule": p.schedule.digest,
            "group": "steps" if proof.front.is_fewer_steps(p) else "front",
            "steps": p.schedule.steps,
            "executed": proof.front.executed(p),
            "objectives": dict(p.objectives),
            "storage": p.storage,
            "budget": p.budget,
            "handed out": p.sold,
            "context": None if p.context is None else dict(p.context),
            **p.measured,
        }
        for name, p in zip(proof.names, proof.front, strict=True)
    ]
    baselines = {
        name: {"group": b.group, **({"beaten by": b.by} if b.by else {}), **b.measured}
        for name, b in proof.baselines.items()
    }
    known = {"basis": asdict(proof.basis), "points": points, "baselines": baselines}
    return {**known, "noise": proof.noise, "pictures": asdict(proof.pictures)}


def show_front(proof: Proof, history: History | None = None) -> None:
    """Print the table of a front, and of what it was measured against; and what failed in the run, if that is known."""
    from ...schedule.front.front_table import Line, build_front_table, list_lines
    from ...validation.proof_file import GROUPS

    counts = find_steps(proof)
    groups = {"front": list_lines(proof.front, proof.names, steps=bool(counts))}
    for name, baseline in proof.baselines.items():
        exact = baseline.group == "uncached" and proof.basis.residual
        mark = f"by {baseline.by}" if baseline.by else ""
        line = Line(name, baseline.measured, counts.get(name, ""), mark=mark, exact=exact)
        groups.setdefault(baseline.group, []).append(line)
    console = out()
    shown = [groups[group] for group in GROUPS if group in groups]
    console.print(build_front_table(shown, console.width, head=proof.basis.head))
    for text in explain_figures(proof):
        console.print(text, style="dim", markup=False)
    if history is not None and history.failures:
        console.print(history.failed, style="yellow", markup=False)


def find_steps(proof: Proof) -> dict[str, str]:
    """Find the steps of points and policies by name; nothing if all of them have the same."""
    named = zip(proof.names, (point.schedule for point in proof.front), strict=True)
    schedules = {**dict(named), **{name: b.schedule for name, b in proof.baselines.items()}}
    found = {name: str(schedule.steps) for name, schedule in schedules.items() if schedule is not None}
    return found if len({*found.values()}) > 1 else {}


def explain_figures(proof: Proof) -> list[str]:
    """Explain in lines what the figures mean and what they were measured on."""
    from ...schedule.front.context import find_shared
    from ...schedule.front.front_table import PEAK

    basis = proof.basis
    unit = f" in {basis.unit}" if basis.unit else ""
    lines = [
        f"quality: {basis.quality}{unit}, higher is better",
        f"{basis.head}: mean over {basis.stands_on}; half: the middle half of them lies between these",
        "searched: quality on the prompts and seeds of the search",
        "fewer: quality of the uncached pipeline with fewer steps in the same time",
        f"speedup: median of {basis.rounds} rounds of {basis.timed} prompts in turn, on {basis.device or 'one device'}"
        f"{f', by {basis.clock}' if basis.clock else ''}; half: of the rounds",
    ]
    if any(baseline.by for baseline in proof.baselines.values()):
        lines.append("beaten: found by the search, but something is as fast and as good; not handed out")
    if any(PEAK in point.objectives for point in proof.front):
        lines.append(f"peak: what one call of {basis.timed} prompts holds at most, weights and decoding included")
        lines.append("plan: what features are stored in, and the budget that slicing and parking keep")
    contexts = [point.context for point in proof.front if point.context is not None]
    if contexts:
        lines.append(f"evolved at: {find_shared(contexts)}; nothing was measured at other settings")
    lines += [f"not measured: {'; '.join(basis.left_out)}"] if basis.left_out else []
    return [*lines, *proof.noise]


def tabulate_front(points: Sequence[Point], shown: Callable[[float], float], width: int = 80) -> RenderableType:
    """Show some points of a front, a column each, from the worst to the best; errors as people know them.

    There are as many as fit the width, since a number that is cut says nothing.
    """
    from rich.table import Table
    from rich.text import Text

    from ...tables import in_bytes, in_seconds

    def figure(name: str, value: float) -> str:
        if name == "latency":
            return in_seconds(value)
        if name in ("memory", "peak"):
            return in_bytes(value)
        return f"{shown(value) + 0.0 if name == 'error' else value:.3g}"

    names = list(points[0].objectives)
    columns = [["quality" if name == "error" else name for name in names]]
    columns += [[figure(name, point.objectives[name]) for name in names] for point in points]
    further = {"steps": [str(point.schedule.steps) for point in points], "stored": [p.storage for p in points]}
    for name, values in further.items():
        if len({*values}) > 1:
            for column, value in zip(columns, [name, *values], strict=True):
                column.append(value)
    heads, *cells = columns
    chosen = spread_evenly(cells, POINTS)
    while len(chosen) > 2 and sum(1 + max(map(len, column)) for column in (heads, *chosen)) > width:
        chosen = spread_evenly(cells, len(chosen) - 1)
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    for _ in chosen:
        table.add_column(justify="right", no_wrap=True)
    for head, *row in zip(heads, *chosen, strict=True):
        table.add_row(Text(head, style="dim"), *row)
    return table


def spread_evenly(points: Sequence[Thing], most: int) -> list[Thing]:
    """Choose at most so many of a sequence, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    return [points[round(i * (len(points) - 1) / (most - 1))] for i in range(most)]
