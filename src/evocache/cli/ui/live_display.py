"""What a person sees of an evolution while it runs, on stderr: a display in a terminal, else a line now and then."""

from __future__ import annotations

import operator
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .console import errors
from .front_table import tabulate_front
from .stop_signals import Stopping
from .waits import format_duration

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from ...schedule.front import Point
    from ...search.run import Progress

STAGES = ("loading", "calibrating", "evolving", "proving")
"""Anything else that is told is a detail of the last of these."""

SILENCE = 10.0
"""Seconds that pass at least between two lines where there is no terminal."""

LONG_SILENCE = 60.0
"""Seconds after which a line comes even if nothing has ended."""

USUAL_SECONDS = {"calibrating": 50.0, "proving": 150.0}
"""What stages take at most where no time is asked for, about."""

SPARKS = 40
"""Generations whose hypervolume is drawn."""

REFRESH = 2
"""Pictures a second of the display in a terminal."""

NOTED = "stopping after the evaluations under way, then the proof; Ctrl-C again stops at once"

CUT = "the last generation was cut short; its answers count"


class Live:
    """Follows an evolution, and turns Ctrl-C or SIGTERM into its wish to stop; a context manager, undone at its end.

    The display is drawn in a thread of its own, never while it is told of something.

    Args:
        budget: seconds that the whole command may take, if it is limited.
        shown: the figure that people know an error by.
        console: where to show it; stderr if none is given.
        clock: seconds.
        model: what is loaded first.
    """

    def __init__(
        self,
        budget: float | None,
        shown: Callable[[float], float] = operator.neg,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
        model: str = "",
    ) -> None:
        self.model = model
        self.budget = budget
        self.quality = shown
        self.workers = 1
        self.console = console or errors()
        self.clock = clock
        self.name, self.detail = STAGES[0], ""
        self.progress: Progress | None = None
        self.volumes: list[float] = []
        self.points: list[Point] = []
        self.answered, self.jobs = 0, 0
        self.evaluated, self.fresh = 0, 0
        self._started = self._began = self._told = clock()
        self._spoke = clock() - LONG_SILENCE
        self._stopping = Stopping(lambda: self.name == "evolving", self._noted)
        self._display: Any = None
        self._lock = threading.RLock()  # a signal may come while its own thread holds it

    def __enter__(self) -> Live:
        from rich.live import Live as Display

        self._stopping.__enter__()
        if self.console.is_terminal:
            self._display = Display(
                console=self.console, transient=True, get_renderable=self.shown, refresh_per_second=REFRESH
            )
            self._display.start()
        self.stage(STAGES[0], self.model)
        return self

    def __exit__(self, *_: object) -> None:
        if self._display is not None:
            self._display.stop()
        self._stopping.__exit__()

    def stage(self, name: str, detail: str = "") -> None:
        """Show what is being done."""
        if name in STAGES:
            with self._lock:
                self.name, self.detail = name, detail
                self._began = self._told = self.clock()
            self._say(f"{name} {detail}".rstrip(), after=0)
        else:
            self.detail = name
            self._say(f"{self.name}: {name}")

    def watch(self, answered: int, jobs: int) -> bool:
        """Show that so many of the jobs at hand are answered, and return whether to stop."""
        with self._lock:
            self.answered, self.jobs = answered, jobs
            self.evaluated += bool(answered)
            self.fresh += bool(answered)
        if answered:
            self._say(", ".join([self._generation(), *self._figures()]), after=LONG_SILENCE)
        return self._stopping.wished

    def tell(self, progress: Progress) -> bool:
        """Show what came of a generation, and return whether to stop."""
        from ...schedule.front.front import front_of

        points = list(front_of(progress.state.points, progress.state.names))
        with self._lock:
            self.progress, self._told = progress, self.clock()
            self.answered = self.jobs = self.fresh = 0
            self.volumes.append(progress.state.hypervolume)
            self.points = points
        self._say(", ".join([self._generation(), *self._figures(), f"hypervolume {self._volume()}"]))
        if progress.state.cut:
            self._say(self._cut, after=0)
        return self._stopping.wished

    @property
    def elapsed(self) -> float:
        """Seconds since the command began."""
        return self.clock() - self._started

    def expected(self) -> tuple[float, float] | None:
        """Predict seconds that are done, and those of the whole; of the stage at hand where the whole is not limited.

        None where nothing is known of its length.
        """
        if self.budget is not None:
            return self.elapsed, self.budget
        if self.name == "evolving" and self.jobs and self.answered:
            taken = self.clock() - self._told
            return taken, taken * self.jobs / self.answered
        usual = USUAL_SECONDS.get(self.name)
        return None if usual is None else (self.clock() - self._began, usual)

    def bar(self) -> RenderableType | None:
        """Draw how far it is, and the time to go."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        known = self.expected()
        if known is None:
            return None
        done, whole = known
        late = done > whole
        of = "" if self.budget is not None else " of this generation" if self.name == "evolving" else " of this stage"
        told = f"{format_duration(done - whole)} late" if late else f"{format_duration(whole - done)} to go{of}"
        row = Table.grid(padding=(0, 1))
        row.add_row(ProgressBar(total=whole, completed=min(done, whole), width=min(40, self.console.width // 2)), told)
        return row

    @property
    def seconds(self) -> float:
        """How long the evolution has taken, earlier sittings included."""
        return self.elapsed if self.progress is None else self.progress.seconds + self.clock() - self._told

    def shown(self) -> RenderableType:
        """Draw the display."""
        with self._lock:
            return self._draw()

    def _draw(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        width = self.console.width
        details = [self._generation() if self.name == "evolving" else "", self.detail]
        head = Text.assemble((self.name, "bold cyan"), *(f"  {detail}" for detail in details if detail))
        lines: list[RenderableType] = [head]
        if self.name == "evolving":  # a line of its own: together they are too long for 80 columns
            lines.append(Text(", ".join(self._figures()), style="dim"))
        else:
            head.append(f"  {format_duration(self.clock() - self._began)}", style="dim")
        bar = self.bar()
        lines += [bar] if bar is not None else []
        if self.volumes:
            volume = Text.assemble(("hypervolume ", "dim"), self._volume(), "  ")
            room = min(SPARKS, width - volume.cell_len)
            lines.append(volume.append(draw_sparkline(self.volumes, room), style="green") if room > 0 else volume)
        if len(self.points) > 1:
            lines.append(tabulate_front(self.points, self.quality, width))
        if self.progress is not None and self.progress.state.cut:
            lines.append(Text(self._cut, style="yellow"))
        if self._stopping.wished and self.name == "evolving":
            lines.append(Text(NOTED, style="yellow"))
        return Group(*lines)

    def _generation(self) -> str:
        """Say which generation is at work, and how far it is."""
        if not self.jobs:
            return f"generation {self.progress.state.generation}" if self.progress else "seeds"
        name = f"generation {self.progress.state.generation + 1}" if self.progress else "seeds"
        if self.workers > 1 and not self.evaluated:
            return f"{name}: {self.workers} workers are starting"
        return f"{name}: {self.answered} of {self.jobs} tried"

    def _figures(self) -> list[str]:
        """Say how many evaluations there are, how fast they come, and the time."""
        jobs = (self.progress.state.jobs if self.progress else 0) + self.fresh
        minutes = (self.clock() - self._began) / 60
        rate = f" ({_format_rate(self.evaluated / minutes)})" if self.evaluated and minutes > 0.05 else ""
        whole = f" of {format_duration(self.budget)}" if self.budget is not None else ""
        failed = [f"{self.progress.failed} failed"] if self.progress and self.progress.failed else []
        return [f"{jobs} evaluations{rate}", *failed, f"{format_duration(self.seconds)}{whole}"]

    def _volume(self) -> str:
        before = self.volumes[-6:]
        gain = f" (+{before[-1] - before[0]:.4f} in the last {len(before) - 1})" if len(before) > 1 else ""
        return f"{self.volumes[-1]:.4f}{gain}"

    @property
    def _cut(self) -> str:
        """Why the last generation was cut short."""
        return f"{'stopped' if self._stopping.wished else 'the time is up'}: {CUT}"

    def _noted(self) -> None:
        self._say(NOTED, after=0)

    def _say(self, text: str, after: float = SILENCE) -> None:
        """Print a line where there is no terminal, if the last one was some seconds ago."""
        if not self.console.is_terminal and self.clock() - self._spoke >= after:
            self._spoke = self.clock()
            self.console.print(text, markup=False, soft_wrap=True)


def _format_rate(a_minute: float) -> str:
    return f"{a_minute:.0f} a minute" if a_minute >= 1 else f"{60 * a_minute:.0f} an hour"


def draw_sparkline(values: Sequence[float], most: int = SPARKS) -> str:
    """Draw the last values as bars between their least and their greatest."""
    last = values[-most:]
    low, high = min(last), max(last)
    return "".join("▁▂▃▄▅▆▇█"[int(7 * (value - low) / ((high - low) or 1.0))] for value in last)
