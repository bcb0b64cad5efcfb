"""Tables of the page as plain text: which headings, rows and cells there are; the templates say how they look."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...schedule.front.comparison import explain_doubt, find_quality_in_equal_time, is_doubtful
from ...tables import in_bytes, in_figures, in_percent, in_seconds
from ...validation.held_out_split import SEEDS
from ...validation.proof_file import GROUPS
from ..run.run_contents import Contents, Entry
from .cells import Cell, Row, Table
from .page_data import ORDER

TARGETS = (1.5, 2.0, 3.0, 4.0)
"""Speed-ups that the table at the top speaks of."""


@dataclass(frozen=True)
class Overfitting:
    """Qualities on calibration and on what was kept from the search.

    Attributes:
        table: both qualities of each entry.
        chosen: what was chosen to be kept from the search: `prompts` or `seeds`.
        loss: mean quality that the front loses; None without a front.
    """

    table: Table
    chosen: str
    loss: float | None


def compare_speedups(contents: Contents) -> Table | None:
    """Return the best of the front and of the policies, and fewer steps in that time, at several speed-ups.

    None for a run that was not proven, or in which nothing is so fast.
    """
    if not contents.proven:
        return None
    groups = [group for group in ("front", "seed", "steps") if contents.group(group)]
    rows = []
    for target in TARGETS:
        found = [_best(contents, group, target) for group in groups]
        most = max((quality for quality, _ in filter(None, found)), default=None)
        if most is not None:
            rows.append(_row(f"at least {target:g}x", *(_best_cell(best, most) for best in found)))
    headings = ("", *(GROUPS[group] + _unit(contents) for group in groups))
    return Table(headings, (tuple(rows),)) if rows else None


def compare_calibration(contents: Contents) -> Overfitting | None:
    """Return quality on calibration beside proven quality; None where not both are known."""
    pairs = [e for e in contents.entries if contents.proven and "calibration quality" in e.figures]
    if not pairs:
        return None
    gaps = [e.figures["calibration quality"] - e.figures["quality"] for e in pairs if e.group == "front"]
    rows = [
        _row(
            e.name,
            in_figures(e.figures["calibration quality"]),
            in_figures(e.figures["quality"]),
            f"{e.figures['quality'] - e.figures['calibration quality']:+.2f}",
        )
        for e in pairs
    ]
    return Overfitting(
        Table(("", "calibration", contents.head, "difference"), (tuple(rows),)),
        "seeds" if contents.basis is not None and contents.basis.held_out == SEEDS else "prompts",
        sum(gaps) / len(gaps) if gaps else None,
    )


def list_figures(contents: Contents) -> Table:
    """Return all figures of all entries, a group for each kind of entry; columns that nothing has are left out."""
    columns = ["speed-up", "middle half", f"quality{_unit(contents)}", "middle half", "calibration", "fewer steps"]
    columns += ["cached", "peak", "predicted", "plan", "a prompt", "steps", "executed", "mark"]
    groups = tuple(tuple(_figures(entry, contents) for entry in contents.group(group)) for group in ORDER)
    return Table(("", *columns), groups).drop_empty_columns()


def _unit(contents: Contents) -> str:
    return f" ({contents.unit})" if contents.unit else ""


def _row(*cells: str | Cell) -> Row:
    return Row(tuple(Cell(cell) if isinstance(cell, str) else cell for cell in cells))


def _best_cell(best: tuple[float, str] | None, most: float) -> Cell:
    """A quality and whose it is."""
    if best is None:
        return Cell("–")
    quality, name = best
    return Cell(in_figures(quality) + (f" ({name})" if name else ""), quality >= most)


def _best(contents: Contents, group: str, speedup: float) -> tuple[float, str] | None:
    """The best quality of a group at a speed-up, and whose it is; of what the clock can be believed of.

    Of fewer steps it is what is said beside every schedule: interpolated, and so of no one number of steps.
    """
    entries = [entry for entry in contents.group(group) if not is_doubtful(entry.figures)]
    if group == "steps":
        quality = find_quality_in_equal_time([(e.figures["speedup"], e.figures["quality"]) for e in entries], speedup)
        return None if quality is None else (quality, "")
    fast = [entry for entry in entries if entry.figures["speedup"] >= speedup]
    best = max(fast, key=lambda entry: entry.figures["quality"], default=None)
    return None if best is None else (best.figures["quality"], best.name)


def _figures(entry: Entry, contents: Contents) -> Row:
    figures, exact = entry.figures, contents.is_exact(entry)

    def shown(name: str) -> str:
        return in_figures(figures[name]) if name in figures else ""

    def half(name: str) -> str:
        low, high = figures.get(f"{name} q1"), figures.get(f"{name} q3")
        return "" if low is None or high is None else f"{low:.2f} – {high:.2f}"

    row = _row(
        entry.name,
        f"{figures['speedup']:.2f}x",
        half("speedup"),
        "exact" if exact else shown("quality"),
        "" if exact else half("quality"),
        shown("calibration quality"),
        shown("fewer steps quality"),
        in_bytes(figures["memory"]) if figures.get("memory") else "–",
        in_bytes(figures["peak"]) if "peak" in figures else "",
        in_bytes(figures["predicted peak"]) if "predicted peak" in figures else "",
        entry.plan,
        in_seconds(figures["seconds"]) if "seconds" in figures else "",
        str(entry.schedule.steps) if contents.mixed and entry.schedule is not None else "",
        in_percent(contents.executed(entry.schedule)) if entry.schedule is not None else "",
        _mark(entry),
    )
    return replace(row, name=entry.name, colour=entry.group)


def _mark(entry: Entry) -> str:
    """Why an entry is not handed out."""
    if entry.by:
        return f"beaten by {entry.by}"
    why = explain_doubt(entry.figures)
    return f"not handed out: {why}" if why else ""
