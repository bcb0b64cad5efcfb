"""What the page's script draws: plots, schedules and pictures, as plain data."""

from __future__ import annotations

from typing import Any

from ...schedule.front.comparison import explain_doubt, find_spread, is_doubtful
from ...tables import in_bytes, in_figures
from ...validation.proof_file import GROUPS
from ..run.heat_map_cells import arrange_cells, describe_schedule
from ..run.history import History
from ..run.importance import Importance
from ..run.run_contents import Contents, Entry

ORDER = ("front", "beaten", "seed", "steps", "uncached")
"""Groups in the order in which they are listed."""


def collect_plot_data(contents: Contents) -> dict[str, Any]:
    """Collect what the script of a report's page draws, as values that JSON can hold."""
    entries = [entry for group in ORDER for entry in contents.group(group)]
    return {
        "axis": contents.axis,
        "unit": contents.unit,
        "proven": contents.proven,
        "head": contents.head,
        "side": contents.side,
        "residual": contents.residual,
        "whole": contents.counts_peaks,
        "groups": {group: GROUPS[group] for group in ORDER},
        "prompts": list(contents.prompts),
        "entries": [_entry(entry, contents) for entry in entries],
        "first": choose_first(entries),
        "hypervolume": _hypervolume(contents.history),
        "importance": _importance(contents.importance),
    }


def choose_first(entries: list[Entry]) -> int:
    """Choose the entry that is shown at first, by its place: the point of the front that is next to twice as fast."""
    front = [i for i, entry in enumerate(entries) if entry.group == "front" and not is_doubtful(entry.figures)]
    return min(front or range(len(entries)), key=lambda i: abs(entries[i].figures["speedup"] - 2), default=0)


def summarise_entry(entry: Entry, contents: Contents) -> str:
    """Return the figures of an entry in one line."""
    figures, unit = entry.figures, f" {contents.unit}" if contents.unit else ""
    half = find_spread(figures) if entry.group != "uncached" else None
    parts = [f"{figures['speedup']:.2f}x" + (f" ({half})" if half else "")]
    parts[0] += "" if contents.proven else " as predicted"
    if contents.mixed and entry.schedule is not None:
        parts.append(f"{entry.schedule.steps} steps")
    if "quality" in figures:
        parts.append("exact" if contents.is_exact(entry) else f"{in_figures(figures['quality'])}{unit} {contents.head}")
    if "calibration quality" in figures:
        parts.append(f"{in_figures(figures['calibration quality'])}{unit} calibration")
    if "fewer steps quality" in figures:
        parts.append(f"fewer steps in the same time: {in_figures(figures['fewer steps quality'])}{unit}")
    if figures.get("memory"):
        parts.append(f"{in_bytes(figures['memory'])} cached")
    if "peak" in figures:
        parts.append(f"peak {in_bytes(figures['peak'])}" + (f" ({entry.plan})" if entry.plan else ""))
    if entry.by:
        parts.append(f"beaten by {entry.by}")
    if why := explain_doubt(figures):
        parts.append(f"not handed out: {why}")
    return ", ".join(parts)


def _entry(entry: Entry, contents: Contents) -> dict[str, Any]:
    figures = entry.figures
    names = {
        "speedup": "speedup",
        "speedup1": "speedup q1",
        "speedup3": "speedup q3",
        "quality": contents.main,
        "quality1": "quality q1",
        "quality3": "quality q3",
        "calibration": "calibration quality",
    }
    found: dict[str, Any] = {key: figures[name] for key, name in names.items() if name in figures}
    held = figures.get("peak", figures.get("memory"))
    if held is not None:
        found["megabytes"] = held / 1e6
    text = {
        "steps": "The uncached pipeline with fewer steps.",
        "uncached": "Everything is computed.",
    }
    schedule = entry.schedule
    return {
        "name": entry.name,
        "group": entry.group,
        "off": contents.is_exact(entry),
        "summary": summarise_entry(entry, contents),
        "words": text.get(entry.group) or (describe_schedule(schedule) if schedule is not None else ""),
        "cells": vars(arrange_cells(schedule)) if schedule is not None else None,
        "strip": entry.strip,
        **found,
    }


def _hypervolume(history: History | None) -> dict[str, Any] | None:
    if history is None or not history.generations:
        return None
    found = history.generations
    return {
        "steps": [g.steps for g in found],
        "volume": [g.hypervolume for g in found],
        "text": [
            f"generation {g.number}: hypervolume {g.hypervolume:.4f}<br>{g.schedules} schedules, {g.seconds:.0f} s"
            for g in found
        ],
    }


def _importance(found: Importance | None) -> dict[str, Any] | None:
    if found is None:
        return None
    kinds = found.by_kind()
    return {
        "rows": list(found.rows),
        "good": found.good.round(4).tolist(),
        "lift": found.lift.round(4).tolist(),
        "kinds": list(kinds),
        "kindGood": [good for good, _ in kinds.values()],
        "kindAll": [whole for _, whole in kinds.values()],
    }
