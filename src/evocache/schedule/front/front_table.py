"""The table of a front, as the command line, `print` and notebooks show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...tables import Column, Row, fitted, in_bytes, in_figures, plain, plan_of, table
from .comparison import find_spread

if TYPE_CHECKING:
    from rich.table import Table

    from .front import Front
    from .point import Point

PEAK = "peak"

RANKS = {"searched": 5, "cached": 4, "fewer": 3, "half": 2}
"""Columns that narrow terminals do without, the highest first."""


@dataclass(frozen=True)
class Line:
    """A row of the table: a point of the front, or what it is held against.

    Attributes:
        name: what it is called.
        figures: what was measured of it, or is predicted.
        steps: how many it makes.
        plan: how it is kept small.
        mark: what is to be said of it.
        exact: whether its pictures are those of the uncached pipeline.
    """

    name: str
    figures: Mapping[str, float]
    steps: str = ""
    plan: str = ""
    mark: str = ""
    exact: bool = False


def build_front_table(groups: Iterable[Sequence[Line]], width: int, *, head: str = "quality") -> Table:
    """Build the table of groups of lines, each from the fastest to the slowest; columns without a value are left out.

    Args:
        groups: a line is drawn between them.
        width: columns of the terminal; what does not fit is dropped, column by column, and no number is cut.
        head: what the quality is called.
    """
    shown = [sorted(group, key=lambda line: -line.figures.get("speedup", 0.0)) for group in groups]
    every = [line for group in shown for line in group]
    steps, plans, marks = (any(getattr(line, name) for line in every) for name in ("steps", "plan", "mark"))
    own = ("steps", "speedup") if steps else ("speedup",)
    numbers = (*own, "half", head, "half", "searched", "fewer", "cached")
    columns = [
        Column("", style="cyan", room="wrap"),
        *(Column(name, numeric=True, rank=RANKS.get(name, 0)) for name in numbers),
    ]
    columns += [Column("peak", numeric=True), Column("plan")] if plans else []
    columns += [Column("", room="wrap")] if marks else []
    rows: list[Row] = []
    for group in shown:
        rows += [None] if rows else []
        for line in group:
            held = (format_peak(line.figures), line.plan) if plans else ()
            mark = (line.mark,) if marks else ()
            rows.append((line.name, *([line.steps] if steps else []), *_numbers(line), *held, *mark))
    return table(*fitted(columns, rows, width))


def _numbers(line: Line) -> tuple[str, ...]:
    figures = line.figures

    def shown(key: str) -> str:
        return in_figures(figures[key]) if key in figures else ""

    quartiles = f"{shown('quality q1')}..{shown('quality q3')}" if "quality q1" in figures else ""
    return (
        f"{figures['speedup']:.2f}x" if "speedup" in figures else "",
        str(find_spread(figures) or "").replace("-", "..") if line.name != "uncached" else "",
        "exact" if line.exact else shown("quality"),
        "" if line.exact else quartiles,
        shown("calibration quality"),
        shown("fewer steps quality"),
        in_bytes(figures["memory"]) if figures.get("memory") else "-",
    )


def list_lines(front: Front, names: Sequence[str], *, steps: bool) -> list[Line]:
    """Return the lines of a front's points.

    Args:
        front: the front.
        names: of its points.
        steps: whether numbers of steps are told.
    """
    searched = any(PEAK in point.objectives for point in front)
    return [
        Line(
            name,
            {**point.predicted, **point.measured},
            str(point.schedule.steps) if steps else "",
            (describe_memory(point) or "as it is") if searched else "",
            describe_mark(front, point),
        )
        for name, point in zip(names, front, strict=True)
    ]


def describe_mark(front: Front, point: Point) -> str:
    """Say that a point is not handed out, or that it caches nothing; empty of others."""
    return _unsold(point) or ("fewer steps, uncached" if front.is_fewer_steps(point) else "")


def _unsold(point: Point) -> str:
    if point.sold:
        return ""
    return "not to be believed" if point.doubt else "by fewer steps"


def describe_memory(point: Point) -> str:
    """Say how a point is kept small, in short; empty if it is left as it is."""
    return plan_of(point.storage, point.budget)


def format_peak(figures: Mapping[str, float]) -> str:
    """Return what was held at most, as measured, else as predicted."""
    if PEAK in figures:
        return in_bytes(figures[PEAK])
    return f"~{in_bytes(figures['predicted peak'])}" if "predicted peak" in figures else ""


def render_front(front: Front, width: int | None = None) -> str:
    """Render a front as `print` shows it: its points by the numbers that `front[number]` takes."""
    if not len(front):
        return "a front without points"
    counts = {point.schedule.steps for point in front}
    lines = list_lines(front, [str(i) for i in range(len(front))], steps=len(counts) > 1)
    return plain(lambda room: build_front_table([lines], room), *list_notes(front), width=width)


def render_point(point: Point, width: int | None = None) -> str:
    """Render a point as `print` shows it: its line of the table, where it holds, and its schedule as a heat map."""
    from ..render import draw_heatmap

    uncached = "uncached" if point.schedule.is_full else ""
    figures = {**point.predicted, **point.measured}
    line = Line("point", figures, str(point.schedule.steps), describe_memory(point), _unsold(point) or uncached)
    where = [f"evolved at: {point.context}; elsewhere the figures say nothing"] if point.context else []
    return plain(lambda room: build_front_table([[line]], room), *where, "", draw_heatmap(point.schedule), width=width)


def list_notes(front: Front) -> list[str]:
    """Say what the figures of a front stand on, as lines."""
    from .context import find_shared

    contexts = [point.context for point in front if point.context is not None]
    measured = any(point.measured for point in front)
    known = any(point.predicted for point in front)
    lines = [] if measured else ["predicted, not measured" if known else "nothing was measured"]
    return lines + ([f"evolved at: {find_shared(contexts)}; elsewhere the figures say nothing"] if contexts else [])
