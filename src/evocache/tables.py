"""Tables for terminals, and the numbers in them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from .errors import printable


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        header: its name.
        numeric: aligned to the right.
        style: of its cells, in Rich's words.
        room: where the terminal is too narrow: `keep` stays as wide as its widest cell, `wrap` breaks cells over
            lines.
        rank: which columns `fitted` drops first where there is no room, the highest; of equal ones the last.
    """

    header: str
    numeric: bool = False
    style: str = ""
    room: Literal["keep", "wrap"] = "keep"
    rank: int = 0


Row = Sequence[str | Text] | None
"""Cells of a row; None is a line between rows."""

Fitted = Callable[[int], RenderableType]
"""Makes something for a number of columns."""

MOST = 1000
"""Columns of a text at most."""

WIDE = 120
"""Columns of a text where there is no terminal."""

READABLE = 12
"""Columns of a terminal that wrapped cells need to stay readable."""


def fitted(columns: Sequence[Column], rows: Sequence[Row], width: int) -> tuple[list[Column], list[Row]]:
    """The columns that fit a width, and their cells: those of the highest rank are dropped first, the first one never.

    Nothing is cut that way, not even in the narrowest terminal.
    """
    found = [row for row in rows if row is not None]

    def needed(i: int) -> int:
        widest = max([cell_len(columns[i].header), *(Text.assemble(row[i]).cell_len for row in found)])
        return 2 + (widest if columns[i].room == "keep" else min(widest, READABLE))

    kept = list(range(len(columns)))
    while sum(map(needed, kept)) > width + 2:
        if len(kept) == 1:
            break
        kept.remove(max(kept[1:], key=lambda i: (columns[i].rank, i)))
    return [columns[i] for i in kept], [None if row is None else [row[i] for i in kept] for row in rows]


def table(columns: Sequence[Column], rows: Sequence[Row], title: str = "", *, width: int | None = None) -> Table:
    """A table of rows of cells; None draws a line between rows. Cells are plain text, not markup.

    With a width, columns that do not fit are left out (see `fitted`).
    """
    if width is not None:
        columns, rows = fitted(columns, rows, width)
    made = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False, show_edge=False)
    made.collapse_padding = True
    for number, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if column.numeric else "left"
        cells = [Text.assemble(row[number]).cell_len for row in rows if row is not None]
        least = max([cell_len(column.header), *cells]) if column.room == "keep" else None
        no_wrap = column.room == "keep"  # a table takes from the others first
        made.add_column(
            column.header,
            justify=justify,
            style=column.style,
            min_width=least,
            no_wrap=no_wrap,
            overflow="fold",
        )
    for row in rows:
        if row is None:
            made.add_section()
        else:
            made.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return made


def plain(*parts: RenderableType | Fitted, width: int | None = None) -> str:
    """Render tables and lines as plain text, as `print` shows them: without colours and trailing spaces.

    What does not fit makes the text wider, as a number that is cut is worth nothing.

    Args:
        parts: one below the other; functions make them for a number of columns.
        width: columns; those of the terminal when not given, or 120 where there is none.
    """
    columns = width or shutil.get_terminal_size((WIDE, 24)).columns
    shown = [part(columns) if callable(part) else part for part in parts]
    options = {"color_system": None, "highlight": False, "markup": False, "emoji": False}
    measuring = Console(file=StringIO(), width=MOST, **options)  # type: ignore[arg-type]
    least = [Measurement.get(measuring, measuring.options, part).minimum for part in shown if isinstance(part, Table)]
    out = StringIO()
    console = Console(file=out, width=max([columns, *least]), **options)  # type: ignore[arg-type]
    for part in shown:
        console.print(part)
    return printable("\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n"))


def in_bytes(count: float) -> str:
    """A number of bytes with a binary unit: 1548288 -> '1.5 MiB'."""
    for unit in ("B", "KiB", "MiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def plan_of(storage: str, budget: int | None) -> str:
    """How features that are stored so, within such a budget, are kept small, in short; empty if nothing is done."""
    stored = [] if storage == "none" else [storage]
    return ", ".join(stored + ([] if budget is None else [f"fits {in_bytes(budget)}"]))


def in_seconds(seconds: float) -> str:
    """A duration with three digits: 0.01234 -> '12.3 ms'."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        value = seconds * scale
        if value >= 1 or unit == "µs":
            break
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"


def in_flops(count: float) -> str:
    """A number of operations with a decimal unit: 2.5e9 -> '2.50 GFLOP'."""
    for unit in ("", "k", "M", "G", "T"):
        if abs(count) < 1000:
            return f"{count:.3g} {unit}FLOP"
        count /= 1000
    return f"{count:.3g} PFLOP"


def in_figures(value: float) -> str:
    """A quality with three digits at least, and no more than three behind the point: 21.37 -> '21.4'."""
    return f"{value:.{3 if abs(value) < 1 else 2 if abs(value) < 10 else 1}f}"


def in_percent(share: float) -> str:
    """A share of one as a whole percentage."""
    return f"{share:.0%}"


def in_decibels(value: float) -> str:
    """A ratio in decibels, with one digit behind the point."""
    return "∞" if value == float("inf") else f"{value:.1f} dB"
