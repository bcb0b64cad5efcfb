"""A report of usage in the terminal: sentences, tables, and rows of bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ui.console import out
from .braille import draw_lines
from .sparkline import draw_bars

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from ....tables import Row
    from ....usage.patterns.report.contents import UsageReport
    from ....usage.patterns.report.meaning import Meaning

LABEL = 14
"""Columns left of bars and curves."""

WIDE = 72
"""Columns of bars and curves, at most."""

CURVE = 8
"""Rows of the curve."""

OWNERS = 5
"""Rows of the table of owners."""


def show(found: UsageReport, title: str) -> None:
    """Print a report."""
    from ....usage.patterns.report.meaning import explain, tell_samples

    console = out()
    told = explain(found)
    counted = f"{found.requests:,} requests, about {found.distinct:,.0f} different questions"
    console.print(f"{title}: {counted}, about {found.askers:,.0f} owners", markup=False, soft_wrap=True)
    for sentence in tell_samples(found):
        console.print(sentence, style="dim", markup=False)
    _head(console, "What a cache did, and could do", told, "did")
    _show_rooms(console, found)
    _say(console, told, "rooms")
    _show_curve(console, found)
    _say(console, told, "curve")
    _head(console, "What repeats", told, "repeats")
    _head(console, "Who asks", told, "owners")
    _show_owners(console, found)
    if found.first is not None:
        _head(console, "When", told)
        _show_times(console, found)
        _say(console, told, "hours", "again")
    _head(console, "What is in use, and what changed", told)
    parts = [part.distinct for part in found.parts if part.requests == found.part_width]
    if len(parts) > 1:
        console.print(_bars(console, "working set", parts, f"{max(parts):,.0f}"))
    _say(console, told, "working set", "drift")
    said = "hit: answered from a stored result, none joined; belady: knows the future"
    if any(room.bound > room.best_offline for room in found.rooms):
        said += "; bound: no policy has more hits"
    console.print()
    console.print(said, style="dim", markup=False)


def _head(console: Console, title: str, told: Meaning, *names: str) -> None:
    console.print()
    console.print(title, style="bold", markup=False)
    _say(console, told, *names)


def _say(console: Console, told: Meaning, *names: str) -> None:
    for name in names:
        if name in told:
            console.print(told[name], markup=False)


def _show_rooms(console: Console, found: UsageReport) -> None:
    from ....tables import Column, table
    from ....units import format_bytes
    from ....usage.patterns.report.meaning import format_span

    rows: list[Row] = []
    for room in found.rooms:
        size = format_bytes(room.max_bytes)
        lines = [(name, rate, format_span(room.saved[name])) for name, rate in room.hit_rates.items()]
        lines.append(("belady", room.best_offline, format_span(room.best_offline_saved)))
        if room.bound > room.best_offline:
            lines.append(("bound", room.bound, ""))
        rows += [[size if not i else "", name, f"{rate:.2%}", saved] for i, (name, rate, saved) in enumerate(lines)]
        rows.append(None)
    columns = (
        Column("room", numeric=True),
        Column("policy", style="cyan"),
        Column("hit rate", numeric=True),
        Column("computing saved", numeric=True, rank=1),
    )
    if rows:
        title = f"the last {found.rooms[0].requests:,} requests"
        console.print(table(columns, rows[:-1], title, width=console.width))


def _show_curve(console: Console, found: UsageReport) -> None:
    """Show the hit rate of LRU over room, by factors of two."""
    from rich.text import Text

    from ....units import format_bytes

    rates = [point.hit_rate for point in found.replayed_curve]
    if len(rates) < 2 or not max(rates):
        return
    width = min(WIDE, console.width - LABEL)
    dots = [_between(rates, i * (len(rates) - 1) / (2 * width - 1)) for i in range(2 * width)]
    top = max(rates)
    for i, row in enumerate(draw_lines([(dots, "yellow")], width, CURVE, top)):
        label = f"{top:.1%}" if i == 0 else "0%" if i == CURVE - 1 else "LRU hit rate" if i == 1 else ""
        console.print(Text.assemble((f"{label:>{LABEL - 2}} ", "dim"), ("│", "dim"), row))
    least, most = (format_bytes(point.max_bytes) for point in (found.replayed_curve[0], found.replayed_curve[-1]))
    gap = max(1, width - len(least) - len(most))
    console.print(Text(" " * LABEL + least + " " * gap + most, "dim"))


def _between(values: list[float], place: float) -> float:
    """Return the value at a place between two of them."""
    low = min(int(place), len(values) - 2)
    return values[low] + (place - low) * (values[low + 1] - values[low])


def _show_owners(console: Console, found: UsageReport) -> None:
    from ....tables import Column, table
    from ....usage.patterns.report.contents import name_digest

    rows = [
        [name_digest(one.owner), f"{one.requests:,}", f"{one.requests / found.keyed:.1%}", f"{one.own:,}"]
        for one in found.owners[:OWNERS]
    ]
    columns = (
        Column("owner", style="cyan"),
        Column("requests", numeric=True),
        Column("of all", numeric=True, rank=2),
        Column("own repeats", numeric=True, rank=1),
    )
    if rows:
        console.print(table(columns, rows, "who asks most", width=console.width))


def _show_times(console: Console, found: UsageReport) -> None:
    from rich.text import Text

    from ....usage.patterns.report.meaning import format_span

    counts = [part.requests for part in found.times]
    if len(counts) > 1:
        most = f"{max(counts):,} in {format_span(found.time_width)}"
        console.print(_bars(console, "over time", counts, most))
    if found.dated:
        day = found.by_hour_of_day()
        console.print(_bars(console, "hours, UTC", day, f"{max(day):,} in an hour"))
        step = max(1, _room(console) // 24) * 6
        console.print(Text(" " * LABEL + "".join(f"{hour:<{step}}" for hour in (0, 6, 12, 18)), "dim"))


def _room(console: Console) -> int:
    """Columns of bars, with what stands on the right of them left out."""
    return max(24, min(WIDE, console.width - LABEL - 24))


def _bars(console: Console, name: str, values: list[int] | list[float], most: str) -> Text:
    from rich.text import Text

    bars = draw_bars(values, _room(console))
    line = Text.assemble((f"{name:<{LABEL}}", "dim"), (bars, "cyan"), (f" most {most}", "dim"))
    line.truncate(console.width, overflow="ellipsis")
    return line
