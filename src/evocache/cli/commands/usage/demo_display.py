"""What a person sees of `evocache usage demo` while it runs: two curves, figures, and who decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ui.front_table import spread_evenly
from ...ui.waits import format_duration
from .braille import draw_lines
from .demo_race import SPAN, Race

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from ....usage.learn.audit import Decision

STYLES = {"lru": "yellow", "learned": "bold cyan"}

LABEL = 5
"""Columns of the figures left of the curves."""

DECISIONS = 3
"""Decisions that are shown."""

FRAME = 6 + DECISIONS
"""Rows of everything but the curves."""


def describe(decision: Decision) -> str:
    """Return a decision in words that fit a line."""
    before, after = name_decider(decision.before), name_decider(decision.after)
    change = "better weights" if before == after else f"{after} for {before}"
    return f"{decision.request:,}: {change} ({decision.gain_after:.3f} s, not {decision.gain_before:.3f})"


def name_decider(name: str) -> str:
    """Return what decides, in words: a policy, or weights by what they were evolved on."""
    from ....usage.policies.registry import NAMES

    return name if name in NAMES else f"weights '{name}'"


class Display:
    """Draws a race for a terminal of any size.

    Args:
        race: which.
        elapsed: returns seconds since it began.
        seconds: that it takes.
    """

    def __init__(self, race: Race, seconds: float) -> None:
        self.race, self.seconds = race, seconds
        self.elapsed = 0.0

    def render(self, width: int, height: int) -> RenderableType:
        """Return the display for so many columns and rows."""
        from rich.console import Group
        from rich.text import Text

        race = self.race
        head = Text(f"the same requests, {race.max_bytes:,} bytes each: the last {race.step * SPAN:,} requests", "dim")
        share = race.done / len(race.trace)
        late = self.elapsed * (1 - share) / share if share else 0.0  # of a machine that does not keep up
        left = max(self.seconds - self.elapsed, late if self.elapsed > share * self.seconds else 0.0)
        foot = f"{race.done:,} of {len(race.trace):,} requests ({share:.0%}), {format_duration(left)} to go"
        body = [head, *self._curves(width, max(4, height - FRAME)), *map(self._figures, range(2)), Text("")]
        stats = race.lanes[1].stats
        since = f", since request {stats.since:,}; by seconds saved a request:"
        decider = Text.assemble("decides now: ", (name_decider(stats.decider), "bold"), since)
        told = [Text(f"  {describe(one)}", "dim") for one in stats.decisions[-DECISIONS:]]
        told += [Text("")] * (DECISIONS - len(told))
        lines = [*body, decider, *told, Text(foot, "dim")]
        for line in lines:
            line.truncate(width, overflow="ellipsis")
        return Group(*lines)

    def _curves(self, width: int, height: int) -> list[Text]:
        from rich.text import Text

        room = max(10, width - LABEL - 2)
        lines = [(self.race.rates(lane), STYLES[lane.name]) for lane in self.race.lanes]
        top = max([0.1, *(value for values, _ in lines for value in values)])
        whole = len(self.race.trace) // self.race.step
        drawn = [(_stretch(values, whole, 2 * room), style) for values, style in lines]
        rows = draw_lines(drawn, room, height, top)
        marks = {0: f"{top:.0%}", height // 2: f"{top / 2:.0%}", height - 1: "0%"}
        return [
            Text.assemble((f"{marks.get(i, ''):>{LABEL}} ", "dim"), ("│", "dim"), row) for i, row in enumerate(rows)
        ]

    def _figures(self, place: int) -> Text:
        from rich.text import Text

        lane = self.race.lanes[place]
        stats, rates = lane.stats, self.race.rates(lane)
        now = rates[-1] if rates else 0.0
        return Text.assemble(
            (f"{'━━'} {lane.name:<8}", STYLES[lane.name]),
            f"hit rate now {now:>5.1%}, of all {stats.hit_rate:>5.1%}; {stats.seconds_saved:>6,.0f} s saved",
        )


def _stretch(values: list[float], whole: int, dots: int) -> list[float]:
    """Return values as so many dots as their part of the whole takes."""
    count = max(1, round(dots * len(values) / whole)) if values else 0
    if count <= len(values):
        return spread_evenly(values, max(2, count))
    return [values[min(len(values) - 1, i * len(values) // count)] for i in range(count)]
