"""Schedules as terminal heat maps: what is computed when, at a glance, with or without colour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from ..errors import printable
from .schedule import Schedule

__all__ = ["draw_heatmap"]

COMPUTE, REUSE, FORECAST, IDLE = "█", "░", "▒", "·"

RAMP = "▁▂▃▄▅▆▇"
"""Shares between none and all; these two have the glyphs of a single cell."""

STYLES = {COMPUTE: "bright_green", REUSE: "grey50", FORECAST: "magenta", IDLE: "grey37"}

MAX_BANDS = 4
"""Longer schedules than fit in so many bands have several steps in one column."""

TICK = 5
"""Columns between two step numbers."""

MIN_WIDTH = 20


def draw_heatmap(schedule: Schedule, width: int | None = None, *, detail: bool = False) -> RenderableType:
    """Draw a heat map of the schedule: a column for each step, a row for each group of components.

    Denoisers, spans and deep parts have a row each; blocks and the leaves of a kind share one, which tells how many
    of them compute. Spans, deep parts and blocks that always compute have none.

    Args:
        schedule: the schedule.
        width: columns of the terminal to use at most; all when not given.
        detail: one row for each component instead.

    >>> from evocache.tables import plain
    >>> schedule = parse("fora:2").schedule(evocache.discover(pipe).tree, 4)
    >>> print(plain(draw_heatmap(schedule)).splitlines()[3])
      attention ×8       █░█░  50%
    """
    return _Heatmap(schedule, width, detail)


class _Row(NamedTuple):
    """A label; by step, the share that is executed, and the glyph where nothing is."""

    label: str
    share: npt.NDArray[np.float64]
    otherwise: list[str]


@dataclass(frozen=True)
class _Heatmap:
    schedule: Schedule
    width: int | None
    detail: bool

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max(min(self.width or options.max_width, options.max_width), MIN_WIDTH)
        rows = _rows(self.schedule, self.detail)
        margin = min(max(len(row.label) for row in rows), max(width // 2, MIN_WIDTH // 2))
        room = max(width - margin - len("  100%"), 1)
        room -= room % TICK if room > TICK else 0
        steps = self.schedule.steps
        each = 1 if steps <= room * MAX_BANDS else -(-steps // room)
        yield from _flow(_header(self.schedule), width)
        for first in range(0, steps, room * each):
            starts = range(first, min(first + room * each, steps), each)
            yield from _band(rows, starts, each, margin)
        yield from _flow(_legend(rows, each), width)


def _rows(schedule: Schedule, detail: bool) -> list[_Row]:
    """The rows, in order of the components."""
    rows = []
    groups: dict[str, tuple[str, list[int]]] = {}
    for i, c in enumerate(schedule.components):
        own = detail or c.kind in ("denoiser", "guidance", "span", "deep")
        label = c.id if c.kind == "denoiser" else "  " + (c.id.removeprefix(f"{c.denoiser}/") if own else c.kind)
        groups.setdefault(c.id if own else f"{c.denoiser} {c.kind}", (label, []))[1].append(i)
    for label, columns in groups.values():
        executed, read = schedule.executed[:, columns], schedule.read[:, columns]
        forecasts = (read & (schedule.orders[:, columns] > 0)).sum(axis=1)
        otherwise = np.where(2 * forecasts > read.sum(axis=1), FORECAST, np.where(read.any(axis=1), REUSE, IDLE))
        if not detail and executed.all() and schedule.components[columns[0]].kind in ("span", "deep", "block"):
            continue
        count = f" ×{len(columns)}" if len(columns) > 1 else ""
        rows.append(_Row(_plain(label + count), executed.mean(axis=1), otherwise.tolist()))
    return rows


def _band(rows: list[_Row], starts: range, each: int, margin: int) -> Iterator[Text]:
    """The lines for some of the steps: their numbers, then every row."""
    numbers = ""
    for column in range(0, len(starts), TICK):
        number = str(starts[column])
        if len(numbers) <= column and column + len(number) <= len(starts):
            numbers = numbers.ljust(column) + number
    yield _line(" " * (margin + 1) + numbers, "dim")
    for row in rows:
        line = _line(_fitted(row.label, margin) + " ")
        for start in starts:
            share, otherwise = row.share[start : start + each], row.otherwise[start : start + each]
            glyph = _glyph(float(share.mean()), max(set(otherwise), key=otherwise.count))
            line.append(glyph, STYLES.get(glyph, "green"))
        if starts[0] == 0:
            line.append(f" {row.share.mean():4.0%}", "dim")
        yield line


def _glyph(share: float, otherwise: str) -> str:
    if share <= 0:
        return otherwise
    return COMPUTE if share >= 1 else RAMP[min(int(share * len(RAMP)), len(RAMP) - 1)]


def _header(schedule: Schedule) -> list[Text]:
    origin = Text(_plain(schedule.provenance.origin) or "schedule", style="bold")
    rest = [f"{schedule.steps} steps", f"{schedule.executed_fraction():.0%} executed", schedule.digest]
    return [origin, *(Text(part, style="dim") for part in rest)]


def _legend(rows: list[_Row], each: int) -> list[Text]:
    """What the glyphs mean; only those that are needed."""
    seen = {
        COMPUTE,
        *(glyph for row in rows for share, glyph in zip(row.share, row.otherwise, strict=True) if not share),
    }
    names = {COMPUTE: "compute", REUSE: "reuse", FORECAST: "forecast", IDLE: "within what is skipped"}
    parts = [
        Text.assemble((glyph, STYLES[glyph]), (f" {name}", "dim")) for glyph, name in names.items() if glyph in seen
    ]
    if each > 1 or any(0 < share < 1 for row in rows for share in row.share):
        parts.append(Text.assemble((RAMP, "green"), (" some compute", "dim")))
    return parts + ([Text(f"1 column = {each} steps", style="dim")] if each > 1 else [])


def _flow(parts: list[Text], width: int) -> Iterator[Text]:
    """The parts in lines of at most so many columns; a part that is too long for one is cut."""
    line = _line("")
    for part in parts:
        part.truncate(width, overflow="ellipsis")
        if line and line.cell_len + 2 + part.cell_len > width:
            yield line
            line = _line("")
        line = line.append("  " if line else "").append_text(part)
    yield line


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="crop")


def _plain(text: str) -> str:
    """Text on one line, without control characters, which files of strangers may hold."""
    return printable(text.replace("\n", "?").replace("\t", "?"))


def _fitted(label: str, width: int) -> str:
    return label.ljust(width) if len(label) <= width else "…" + label[len(label) - width + 1 :]
