"""What can go wrong on the command line, and how it is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import Error, InputError

if TYPE_CHECKING:
    from rich.console import RenderableType


def format_error(error: Error) -> RenderableType:
    """Format an error in three parts: what was given, why it is refused, and what to try."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text("error", style="bold red"), Text(error.given, style="bold"))
    grid.add_row(Text("why", style="yellow"), Text(f"expected {error.expected}"))
    grid.add_row(Text("try", style="green"), Text(error.mend))
    return grid


def format_examples(*lines: str) -> str:
    """Format example calls for the end of a help page, one a line."""
    return "\n".join(["[bold]Examples[/bold]", *(f"[dim]$[/dim] {line}" for line in lines)])


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make an output folder if it is not there.

    Raises:
        InputError: if it cannot be made or written to.
    """
    made = Path(path)
    try:
        made.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = (error.strerror or "no folder").lower()
        raise InputError(f"{str(path)!r} ({why})", "a folder that can be made", "choose another --out") from None
    if not os.access(made, os.W_OK | os.X_OK):
        raise InputError(f"{str(path)!r}, which cannot be written to", "a writable folder", "choose another --out")
    return made
