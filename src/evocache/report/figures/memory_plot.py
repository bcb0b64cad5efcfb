"""A plot of memory over a generation: weights, activations and cached features, stage by stage and step by step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...extras import optional
from .plots import DPI, STYLE, open_figure

if TYPE_CHECKING:
    from ...memory.planner.timeline import Moment

PARTS = {"weights": "#999999", "activations": "#0072b2", "features": "#e69f00"}
"""What memory is held for, and its colour in Okabe and Ito's palette (2008)."""


def write_timeline(moments: Sequence[Moment], before: int, budget: int | None, path: Path) -> None:
    """Draw what is held from moment to moment.

    Args:
        moments: the timeline.
        before: peak bytes of the generation as it is.
        budget: bytes that it may hold.
        path: the PNG file.

    Raises:
        OSError: if it cannot be written.
        DependencyError: if matplotlib is not installed.
    """
    matplotlib = optional("matplotlib")
    top = max(before, budget or 0, max(moment.held.bytes for moment in moments))
    unit, name = (1e9, "GB") if top >= 1e9 else (1e6, "MB")
    with matplotlib.rc_context(STYLE):
        figure, axes = open_figure(6.4, 3.2)
        at = list(range(len(moments)))
        base = [0.0] * len(moments)
        for part, colour in PARTS.items():
            sizes = [getattr(moment.held, part) / unit for moment in moments]
            axes.bar(at, sizes, width=1.0, bottom=base, color=colour, label=part, linewidth=0)
            base = [low + size for low, size in zip(base, sizes, strict=True)]
        axes.axhline(before / unit, color="#d55e00", linewidth=1, linestyle=":", label="peak as it is")
        if budget is not None:
            axes.axhline(budget / unit, color="black", linewidth=1, linestyle="--", label="budget")
        axes.set_ylabel(f"{name} on the device")
        axes.set_xlabel("denoising step")
        axes.set_xticks(*_ticks(moments))
        axes.set_xlim(-0.5, len(moments) - 0.5)
        axes.set_ylim(0, 1.12 * top / unit)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=5, fontsize=8)
        figure.savefig(path, dpi=DPI)


def _ticks(moments: Sequence[Moment]) -> tuple[list[int], list[str]]:
    """Where stages are, and every few steps."""
    steps = sum(moment.step is not None for moment in moments)
    every = max(1, steps // 8)
    shown = [(i, m) for i, m in enumerate(moments) if m.step is None or m.step % every == 0]
    return [i for i, _ in shown], [m.stage if m.step is None else str(m.step) for _, m in shown]
