"""The race of a learning cache and a static one as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...extras import optional
from .plots import COLOURS, STYLE, open_figure

DPI = 96
"""Dots per inch: small enough for a page."""


def write_race(
    path: Path,
    requests: Sequence[int],
    rates: Mapping[str, Sequence[float]],
    changes: Sequence[int],
    *,
    window: int,
    title: str,
) -> None:
    """Write hit rates over requests as a PNG file.

    Args:
        path: the file.
        requests: number of requests at each point.
        rates: hit rate of the window that ends there, by name: the static policy, then the one that learns.
        changes: requests at which another policy began to decide.
        window: requests of a window.
        title: above it.

    Raises:
        OSError: if it cannot be written.
        DependencyError: if matplotlib is not installed.
    """
    matplotlib = optional("matplotlib")
    with matplotlib.rc_context(STYLE):
        figure, axes = open_figure(7.2, 2.9)
        for i, change in enumerate(changes):
            axes.axvline(change, color="#b4bcc6", linewidth=0.7, linestyle=":", label=None if i else "another decides")
        for (name, values), colour in zip(rates.items(), (COLOURS["seed"], COLOURS["front"]), strict=True):
            axes.plot(requests, [100 * value for value in values], label=name, color=colour, linewidth=1.6)
        axes.set_xlabel("requests")
        axes.set_ylabel(f"hits in the last {window:,}")
        axes.yaxis.set_major_formatter("{x:g}%")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_ylim(bottom=0)
        axes.set_xlim(0, requests[-1])
        axes.set_title(title, loc="left", fontsize=9)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.08), ncols=3, borderaxespad=0)
        figure.savefig(path, dpi=DPI)
