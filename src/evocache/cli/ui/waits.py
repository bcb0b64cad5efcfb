"""What a person sees on stderr while a command works: a bar, and the time to go."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .console import errors

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

REFRESH = 4
"""Pictures a second."""

WIDTH = 24
"""Columns of the bar."""

NAME = 20
"""Columns that are left for the name where there is a bar, at least."""


class Waits:
    """Shows one wait after another, in a terminal alone, and leaves nothing behind; a context manager.

    Args:
        console: where to show them; stderr if none is given.
        clock: seconds.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console or errors()
        self.clock = clock
        self.name = ""
        self.done, self.total = 0, 0
        self.predicted: float | None = None
        self._began = clock()
        self._display: Any = None

    def __enter__(self) -> Waits:
        from rich.live import Live

        if self.console.is_terminal:
            self._display = Live(
                console=self.console, transient=True, get_renderable=self.shown, refresh_per_second=REFRESH
            )
            self._display.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._display is not None:
            self._display.stop()

    def predict(self, name: str, seconds: float) -> None:
        """Begin a wait that tells nothing until it ends.

        Args:
            name: what is done.
            seconds: that it takes, about.
        """
        self._begin(name, 0, max(seconds, 1.0))

    def count(self, name: str, total: int) -> None:
        """Begin a wait for so many things, which `advance` counts."""
        self._begin(name, total, None)

    def advance(self, by: int = 1) -> None:
        """Count things that are done."""
        self.done = min(self.done + by, self.total)

    @property
    def elapsed(self) -> float:
        """Seconds since the wait began."""
        return self.clock() - self._began

    @property
    def left(self) -> float | None:
        """Seconds to go, below 0 where it takes longer than predicted; None before the first thing is done."""
        if self.predicted is not None:
            return self.predicted - self.elapsed
        return self.elapsed * (self.total - self.done) / self.done if self.done else None

    def shown(self) -> RenderableType:
        """Return the display: a line whose name is cut where the terminal is narrow, and whose figures are not."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        counted = f"{self.done}/{self.total}" if self.total else ""
        figures = " ".join(text for text in (counted, format_duration(self.elapsed), self._to_go()) if text)
        room = self.console.width - len(figures) - 1
        bar = min(WIDTH, self.console.width // 4) if room >= NAME + 1 + self.console.width // 4 else 0
        name = Text(self.name, style="cyan")
        name.truncate(max(1, room - bar - 1), overflow="ellipsis")
        row = Table.grid(padding=(0, 1))
        row.add_column(no_wrap=True)
        cells: list[RenderableType] = [name]
        if bar:
            whole, done = (self.predicted, self.elapsed) if self.predicted is not None else (self.total, self.done)
            cells.append(ProgressBar(total=whole or 1, completed=min(done, whole), width=bar))
            row.add_column(width=bar)
        row.add_column(no_wrap=True, width=len(figures))
        row.add_row(*cells, figures)
        return row

    def _to_go(self) -> str:
        left = self.left
        if left is None:
            return ""
        return f"{format_duration(left + 0.99)} to go" if left > 0 else f"{format_duration(-left)} longer than usual"

    def _begin(self, name: str, total: int, predicted: float | None) -> None:
        self.name, self.done, self.total, self.predicted = name, 0, total, predicted
        self._began = self.clock()


def format_duration(seconds: float) -> str:
    """Format minutes and seconds, or hours: 75 -> '1:15'."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
