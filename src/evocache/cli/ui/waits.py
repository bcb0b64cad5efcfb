"""What a person sees on stderr while a command works: a bar, and the time to go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Wait:
    """One wait, at one moment.

    Attributes:
        name: what is waited for.
        began: when it began, in seconds of the clock.
        total: things to wait for; 0 where they are not counted.
        done: how many of them are done.
        predicted: seconds that it takes, about; None where things are counted instead.
    """

    name: str
    began: float
    total: int = 0
    done: int = 0
    predicted: float | None = None

    def estimate_left(self, elapsed: float) -> float | None:
        """Estimate the seconds to go, below 0 where it takes longer than predicted.

        None before the first thing is done.

        Args:
            elapsed: seconds since the wait began.
        """
        if self.predicted is not None:
            return self.predicted - elapsed
        return elapsed * (self.total - self.done) / self.done if self.done else None


class Waits:
    """Shows one wait after another, in a terminal alone, and leaves nothing behind; a context manager.

    The display is drawn in a thread of its own: it reads the wait once, as a whole, so that it never sees a half of one
    wait and a half of the next.

    Args:
        console: where to show them; stderr if none is given.
        clock: seconds.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console or errors()
        self.clock = clock
        self.wait = Wait("", clock())
        self._lock = threading.Lock()
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
        self.wait = Wait(name, self.clock(), predicted=max(seconds, 1.0))

    def count(self, name: str, total: int) -> None:
        """Begin a wait for so many things, which `advance` and `reach` count."""
        self.wait = Wait(name, self.clock(), total)

    def advance(self, by: int = 1) -> None:
        """Count things that are done."""
        with self._lock:
            self.wait = replace(self.wait, done=min(self.wait.done + by, self.wait.total))

    def reach(self, done: int) -> None:
        """Set how many things are done, whatever was counted of them."""
        with self._lock:
            self.wait = replace(self.wait, done=min(done, self.wait.total))

    def shown(self) -> RenderableType:
        """Return the display: a line whose name is cut where the terminal is narrow, and whose figures are not."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        wait = self.wait  # once: another wait may begin while this one is drawn
        elapsed = self.clock() - wait.began
        counted = f"{wait.done}/{wait.total}" if wait.total else ""
        figures = " ".join(
            text for text in (counted, format_duration(elapsed), _format_left(wait.estimate_left(elapsed))) if text
        )
        room = self.console.width - len(figures) - 1
        bar = min(WIDTH, self.console.width // 4) if room >= NAME + 1 + self.console.width // 4 else 0
        name = Text(wait.name, style="cyan")
        name.truncate(max(1, room - bar - 1), overflow="ellipsis")
        row = Table.grid(padding=(0, 1))
        row.add_column(no_wrap=True)
        cells: list[RenderableType] = [name]
        if bar:
            whole, done = (wait.predicted, elapsed) if wait.predicted is not None else (wait.total, wait.done)
            cells.append(ProgressBar(total=whole or 1, completed=min(done, whole), width=bar))
            row.add_column(width=bar)
        row.add_column(no_wrap=True, width=len(figures))
        row.add_row(*cells, figures)
        return row


def _format_left(left: float | None) -> str:
    if left is None:
        return ""
    return f"{format_duration(left + 0.99)} to go" if left > 0 else f"{format_duration(-left)} longer than usual"


def format_duration(seconds: float) -> str:
    """Format minutes and seconds, or hours: 75 -> '1:15'."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
