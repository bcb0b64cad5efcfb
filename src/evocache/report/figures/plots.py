"""The report's plots as PNG files for papers: 200 dpi, colours that colour-blind readers can tell apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...extras import optional
from ...validation.proof_file import GROUPS
from ..run.run_contents import Contents, Entry

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 200
"""Dots per inch: a plot of 5 inches is 1000 pixels wide."""

COLOURS = {"front": "#0072b2", "beaten": "#56b4e9", "seed": "#d55e00", "steps": "#009e73", "uncached": "#000000"}
"""Okabe and Ito's palette (2008)."""

MARKS = {"front": "o", "beaten": "x", "seed": "D", "steps": "s", "uncached": "*"}

STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e7eb",
    "legend.frameon": False,
}


def write_plots(contents: Contents, folder: Path) -> list[Path]:
    """Write what there is to plot into a folder: `pareto.png`, `hypervolume.png`, `importance.png`, `overfitting.png`.

    Returns:
        The files.

    Raises:
        OSError: if one cannot be written.
        DependencyError: if matplotlib is not installed.
    """
    matplotlib = optional("matplotlib")
    drawers: dict[str, Callable[[Contents], Figure | None]] = {
        "pareto.png": plot_front,
        "hypervolume.png": plot_hypervolume,
        "importance.png": plot_importance,
        "overfitting.png": plot_overfitting,
    }
    written = []
    with matplotlib.rc_context(STYLE):
        for name, draw in drawers.items():
            figure = draw(contents)
            if figure is not None:
                figure.savefig(folder / name, dpi=DPI)
                written.append(folder / name)
    return written


def plot_front(contents: Contents) -> Figure:
    """Plot quality over speed-up, with quartiles."""
    figure, axes = open_figure(5.2, 3.6)
    residual = contents.residual
    for group in ("steps", "seed", "beaten", "front", "uncached"):
        entries = [entry for entry in contents.group(group) if contents.main in entry.figures]
        if entries and not (residual and group == "uncached"):
            _marks(axes, contents, group, entries)
    if residual:
        axes.axvline(1, color="black", linewidth=1, linestyle="--")
        axes.annotate("uncached: exact", (1, 0.02), (-3, 0), xycoords=("data", "axes fraction"),
                      textcoords="offset points", rotation=90, ha="right", va="bottom", fontsize=8)  # fmt: skip
    axes.set_xlabel("speed-up over the uncached pipeline" if contents.proven else "predicted speed-up")
    axes.set_ylabel(f"{_axis(contents)}, {contents.side}")
    axes.xaxis.set_major_formatter("{x:g}x")
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
    return figure


def plot_hypervolume(contents: Contents) -> Figure | None:
    """Plot hypervolume over the cost of the search; None with fewer than two generations."""
    if contents.history is None or len(contents.history.generations) < 2:
        return None
    found = contents.history.generations
    figure, axes = open_figure(5.2, 3.0)
    axes.plot([g.steps for g in found], [g.hypervolume for g in found], color=COLOURS["front"], marker=".")
    axes.set_xlabel("denoiser steps of one prompt, evaluated")
    axes.set_ylabel("hypervolume")
    return figure


def plot_importance(contents: Contents) -> Figure | None:
    """Plot how much more often good schedules execute a cell than others of their cost; None with too few of them."""
    found = contents.importance
    if found is None:
        return None
    from matplotlib.ticker import MaxNLocator

    figure, axes = open_figure(5.2, float(np.clip(1.2 + 0.12 * len(found.rows), 2.6, 7.0)))
    most = max(5.0, 100 * float(np.abs(found.lift).max()))
    drawn = axes.imshow(100 * found.lift, aspect="auto", cmap="PuOr", vmin=-most, vmax=most, interpolation="nearest")
    axes.grid(visible=False)
    bands = [[i for i, kind in enumerate(found.kinds) if kind == name] for name in dict.fromkeys(found.kinds)]
    axes.set_yticks([float(np.mean(band)) for band in bands], list(dict.fromkeys(found.kinds)))
    for band in bands[:-1]:
        axes.axhline(band[-1] + 0.5, color="black", linewidth=0.8)
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    bar = figure.colorbar(drawn, ax=axes)
    bar.set_label("executed more often by good schedules\n(points of per cent)")
    return figure


def plot_overfitting(contents: Contents) -> Figure | None:
    """Plot proven over calibration quality; None for a run that was not proven."""
    pairs = [e for e in contents.entries if contents.proven and "calibration quality" in e.figures]
    if not pairs:
        return None
    figure, axes = open_figure(3.8, 3.6)
    for group in ("seed", "front"):
        mine = [e for e in pairs if e.group == group]
        x, y = ([e.figures[name] for e in mine] for name in ("calibration quality", "quality"))
        if mine:
            axes.plot(x, y, linestyle="", marker=MARKS[group], color=COLOURS[group], label=GROUPS[group], markersize=5)
    values = [e.figures[name] for e in pairs for name in ("calibration quality", "quality")]
    axes.plot([min(values), max(values)], [min(values), max(values)], color="#707070", linewidth=1, linestyle="--")
    axes.set_xlabel(f"{_axis(contents)}, calibration prompts")
    axes.set_ylabel(f"{_axis(contents)}, {contents.side}")
    axes.legend()
    return figure


def open_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of its own, in inches, that no global state holds."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _axis(contents: Contents) -> str:
    """The quality's label, in which dollars are no mathematics."""
    return contents.axis.replace("$", r"\$")


def _marks(axes: Axes, contents: Contents, group: str, entries: list[Entry]) -> None:
    """One group's points, joined where they are one family, with bars where spread was measured."""
    style = {"front": "-", "steps": ":"}.get(group, "")
    x, y = ([e.figures[name] for e in entries] for name in ("speedup", contents.main))
    axes.errorbar(
        x,
        y,
        xerr=_bars(entries, "speedup"),
        yerr=_bars(entries, contents.main),
        linestyle=style,
        linewidth=1,
        elinewidth=0.7,
        marker=MARKS[group],
        markersize=5,
        color=COLOURS[group],
        label=GROUPS[group],
    )


def _bars(entries: list[Entry], name: str) -> list[list[float]] | None:
    """Distances of the quartiles; none where they were not measured."""
    if any(f"{name} q1" not in e.figures for e in entries):
        return None
    low = [max(0.0, e.figures[name] - e.figures[f"{name} q1"]) for e in entries]
    high = [max(0.0, e.figures[f"{name} q3"] - e.figures[name]) for e in entries]
    return [low, high]
