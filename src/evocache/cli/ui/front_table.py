"""The table of a front, as commands print it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .console import out

if TYPE_CHECKING:
    from ...report.run.history import History
    from ...validation.proof_file import Proof


PEAK = "peak"


RANKS = {"searched": 2, "cached": 1}
"""Columns that narrow terminals do without, the highest first."""


def history_of(run: Path) -> History | None:
    """How a run went; None where there is no journal beside its front."""
    from ...report.run.history import read_history
    from ...search.storage.journal import JOURNAL

    folder = run if run.is_dir() else run.parent
    return read_history(folder) if (folder / JOURNAL).is_file() else None


def facts(proof: Proof) -> dict[str, object]:
    """Everything but the schedules' cells, for JSON."""
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
    from ...report.tables import Column, fitted, table
    from ...validation.proof_file import GROUPS

    counts = steps_of(proof)
    own = ("steps", "speedup") if counts else ("speedup",)
    numbers = (*own, "half", proof.basis.head, "half", "searched", "fewer", "cached")
    plans = plans_of(proof)
    columns = [
        Column("", style="cyan", room="wrap"),
        *(Column(name, numeric=True, rank=RANKS.get(name, 0)) for name in numbers),
    ]
    columns += [Column("peak", numeric=True), Column("plan")] if plans else []
    marks = marks_of(proof)
    columns += [Column("", room="wrap")] if marks else []
    groups: dict[str, list[tuple[str, Mapping[str, float]]]] = {
        "front": [(name, point.measured) for name, point in zip(proof.names, proof.front, strict=True)]
    }
    for name, baseline in proof.baselines.items():
        groups.setdefault(baseline.group, []).append((name, baseline.measured))
    cells: list[Sequence[str] | None] = []
    for group in (group for group in GROUPS if group in groups):
        cells += [None] if cells else []
        exact = group == "uncached" and proof.basis.residual
        for name, figures in sorted(groups[group], key=lambda row: -row[1]["speedup"]):
            first, *rest = _cells(name, figures, exact=exact)
            held = (peak(figures), plans.get(name, "")) if plans else ()
            mark = [marks.get(name, "")] if marks else []
            cells.append((first, *([counts.get(name, "")] if counts else []), *rest, *held, *mark))
    console = out()
    console.print(table(*fitted(columns, cells, console.width)))
    for line in notes(proof):
        console.print(line, style="dim", markup=False)
    if history is not None and history.failures:
        console.print(history.failed, style="yellow", markup=False)


def steps_of(proof: Proof) -> dict[str, str]:
    """Steps of points and policies by name; nothing where all of them have the same."""
    named = zip(proof.names, (point.schedule for point in proof.front), strict=True)
    schedules = {**dict(named), **{name: b.schedule for name, b in proof.baselines.items()}}
    found = {name: str(schedule.steps) for name, schedule in schedules.items() if schedule is not None}
    return found if len({*found.values()}) > 1 else {}


def marks_of(proof: Proof) -> dict[str, str]:
    """What is to be said of points that are not handed out or cache nothing, and of what was beaten, by name."""
    found = {}
    for name, point in zip(proof.names, proof.front, strict=True):
        if not point.sold:
            found[name] = "not to be believed" if point.doubt else "by fewer steps"
        elif proof.front.is_fewer_steps(point):
            found[name] = "fewer steps, uncached"
    return found | {name: f"by {b.by}" for name, b in proof.baselines.items() if b.by}


def plans_of(proof: Proof) -> dict[str, str]:
    """How each point is kept small, in short, by name; nothing where no peak was searched."""
    if not any(PEAK in point.objectives for point in proof.front):
        return {}
    from ...report.tables import planned

    return {name: planned(point) or "as it is" for name, point in zip(proof.names, proof.front, strict=True)}


def peak(figures: Mapping[str, float]) -> str:
    """What was held at most, as measured, else as predicted."""
    from ...report.tables import in_bytes

    if PEAK in figures:
        return in_bytes(figures[PEAK])
    return f"~{in_bytes(figures['predicted peak'])}" if "predicted peak" in figures else ""


def notes(proof: Proof) -> list[str]:
    """What the figures mean and stand on, as lines."""
    from ...schedule.front.context import shared

    basis = proof.basis
    unit = f" in {basis.unit}" if basis.unit else ""
    lines = [
        f"quality: {basis.quality}{unit}, higher is better",
        f"{basis.head}: mean over {basis.stands_on}; half: between these are the middle half of them",
        "searched: on the prompts and seeds that were evolved on",
        "fewer: that of the uncached pipeline with fewer steps in the same time",
        f"speedup: median of {basis.rounds} rounds of {basis.timed} prompts in turn, on {basis.device or 'one device'}"
        f"{f', by {basis.clock}' if basis.clock else ''}; half: of the rounds",
    ]
    if any(baseline.by for baseline in proof.baselines.values()):
        lines.append("beaten: found by the search, but something is as fast and as good; not handed out")
    if plans_of(proof):
        lines.append(f"peak: what one call of {basis.timed} prompts holds at most, weights and decoding included")
        lines.append("plan: what features are stored in, and the budget that slicing and parking keep")
    contexts = [point.context for point in proof.front if point.context is not None]
    if contexts:
        lines.append(f"evolved at: {shared(contexts)}; elsewhere the figures say nothing")
    lines += [f"not measured: {'; '.join(basis.left_out)}"] if basis.left_out else []
    return [*lines, *proof.noise]


def _cells(name: str, figures: Mapping[str, float], *, exact: bool) -> tuple[str, ...]:
    from ...report.tables import in_bytes, in_figures
    from ...schedule.front.comparison import spread
    from ...validation.proof_file import UNCACHED

    def shown(key: str) -> str:
        return in_figures(figures[key]) if key in figures else ""

    return (
        name,
        f"{figures['speedup']:.2f}x",
        str(spread(figures) or "").replace("-", "..") if name != UNCACHED else "",
        "exact" if exact else shown("quality"),
        "" if exact else f"{shown('quality q1')}..{shown('quality q3')}",
        shown("calibration quality"),
        shown("fewer steps quality"),
        in_bytes(figures["memory"]) if figures.get("memory") else "-",
    )
