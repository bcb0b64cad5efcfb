"""What the charts of a report of usage show."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

from ...units import format_bytes
from ...usage.patterns.report.contents import UsageReport
from ...usage.patterns.report.meaning import DAY, format_span
from ...usage.patterns.report.slices import Slice
from .chart import RIGHT, WIDTH, Bar, Chart, Frame, Line, Mark, Rule

STYLES = {"learned": "learned", "lru": "lru", "gdsf": "other", "s3fifo": "third", "belady": "knowing"}
"""Styles of policies; those that are not named take that of `other`."""

BASELINE = "lru"
"""The policy that has a curve."""


def draw_day(found: UsageReport) -> Chart | None:
    """Draw requests by hour of the day, in UTC; None where no times are known, or those of a trace of its own clock."""
    if not found.dated:
        return None
    day = found.by_hour_of_day()
    frame = Frame(0, 24, max(day))
    width = 0.8 * (frame.x(1) - frame.x(0))
    bars = tuple(_bar(frame, hour + 0.1, width, 0, count, "learned", f"{hour}:00 UTC: {count:,} requests")
                 for hour, count in enumerate(day))  # fmt: skip
    ticks = frame.ticks(range(0, 25, 6), lambda hour: f"{hour:.0f}:00")
    return Chart("Requests by hour of the day.", "hour of the day, UTC", ticks, frame.levels(_count), bars)


def draw_times(found: UsageReport) -> Chart | None:
    """Draw requests over time, those among them that were hits apart; None where less than two slices are known."""
    if len(found.times) < 2 or found.first is None:
        return None
    times, step = found.times, found.time_width
    frame = Frame(times[0].begin, times[-1].begin + step, max(part.requests for part in times))
    width = max(0.8, 0.9 * (frame.x(times[0].begin + step) - frame.x(times[0].begin)))
    write = _clock(found, times[-1].begin + step - times[0].begin)
    bars: list[Bar] = []
    for part in times:
        title = f"{write(part.begin)}: {part.requests:,} requests, {part.hits:,} hits"
        bars.append(
            _bar(frame, part.begin, width, part.hits, part.requests, "other" if found.kinds else "learned", title)
        )
        if part.hits:
            bars.append(_bar(frame, part.begin, width, 0, part.hits, "learned", title))
    ticks = frame.ticks(_spread(frame.first, frame.last), write)
    legend = (("learned", "answered from a stored result"), ("other", "others")) if found.kinds else ()
    across = f"requests in each {format_span(step)}"
    return Chart("Requests over time.", across, ticks, frame.levels(_count), tuple(bars), legend=legend)


def draw_working_set(found: UsageReport) -> Chart | None:
    """Draw how many different questions each part of the requests asks for; None of less than two parts."""
    across = f"requests; different questions in each {found.part_width:,}"
    return _over_requests(found, across, "Different questions over time.", lambda part: part.distinct, _count)


def draw_known(found: UsageReport) -> Chart | None:
    """Draw how many different questions there were so far; None of less than two parts."""
    label = "Different questions so far."
    return _over_requests(found, "requests; different questions so far", label, lambda part: part.known, _count)


def draw_hits(found: UsageReport) -> Chart | None:
    """Draw the hit rate over the requests; None of a trace, or of less than two parts."""
    if not found.kinds:
        return None
    across = f"requests; share of each {found.part_width:,} that were hits"
    rate: Callable[[Slice], float] = lambda part: part.hits / part.requests if part.requests else 0.0  # noqa: E731
    return _over_requests(found, across, "Hit rate over time.", rate, _percent)


def draw_curve(found: UsageReport) -> Chart | None:
    """Draw hit rates over room: LRU as a curve, other policies and the bound at the rooms that were replayed."""
    points = found.replayed_curve
    if len(points) < 2 or not found.rooms:
        return None
    bytes_ = [float(p.max_bytes) for p in points] + [float(room.max_bytes) for room in found.rooms]
    rates = [p.hit_rate for p in points] + [room.best_offline for room in found.rooms]
    frame = Frame(min(bytes_), max(bytes_), max(rates) * 1.04 or 1.0, by_factor=True)
    lines = [Line(frame.line(bytes_[: len(points)], rates[: len(points)]), BASELINE, "LRU")]
    if found.curve != points:
        whole = [p for p in found.curve if frame.first <= p.max_bytes <= frame.last]
        drawn = frame.line([p.max_bytes for p in whole], [p.hit_rate for p in whole])
        lines.append(Line(drawn, "lru dotted", "LRU, all requests"))
    marks, names = [], list(dict.fromkeys(name for room in found.rooms for name in room.hit_rates))
    for room in found.rooms:
        at, size = frame.x(room.max_bytes), format_bytes(room.max_bytes)
        for name, rate in (("belady", room.best_offline), *reversed([*room.hit_rates.items()])):
            marks.append(Mark(at, frame.y(rate), STYLES.get(name, "other"), f"{name}, {size}: {rate:.1%}"))
    for name in ("belady", "learned"):
        rates_ = [room.best_offline if name == "belady" else room.hit_rates.get(name) for room in found.rooms]
        if None not in rates_ and len(rates_) > 1:
            drawn = frame.line([room.max_bytes for room in found.rooms], [rate or 0.0 for rate in rates_])
            lines.append(Line(drawn, f"{STYLES[name]} thin"))
    tens = [step * 10.0**i for i in range(19) for step in (1, 2, 5) if frame.first <= step * 10.0**i <= frame.last]
    kept = [value for value in tens if f"{value:e}"[0] == "1"] if len(tens) > 7 else tens[::2]
    ticks = frame.ticks(kept or [frame.first, frame.last], format_bytes)
    legend = tuple((line.style, line.name) for line in lines if line.name)
    legend += tuple((STYLES.get(name, "other"), name) for name in names if name != BASELINE)
    return Chart(
        "Hit rate over room; the same figures are in the table.", "room of the cache", ticks, frame.levels(_percent),
        lines=tuple(lines), marks=tuple(marks), legend=(*legend, ("knowing", "belady: knows the future")),
    )  # fmt: skip


def _over_requests(
    found: UsageReport, across: str, label: str, value: Callable[[Slice], float], write: Callable[[float], str]
) -> Chart | None:
    parts = [part for part in found.parts if part.requests == found.part_width]  # the last one is seldom full
    if len(parts) < 2:
        return None
    y = [value(part) for part in parts]
    frame = Frame(0, found.requests, max(y) * 1.04 or 1.0)
    line = Line(frame.line([part.begin + found.part_width for part in parts], y), "learned")
    told = "{0.of} changed from {0.before:.0%} to {0.after:.0%}, seen after {0.now:,.0f} requests"
    rules = tuple(Rule(frame.x(point.now), told.format(point)) for point in found.drift)
    legend = (("rule", "a change was seen"),) if rules else ()
    ticks = frame.ticks(_spread(0, found.requests), _count)
    return Chart(label, across, ticks, frame.levels(write), lines=(line,), rules=rules, legend=legend)


def _bar(frame: Frame, x: float, width: float, low: float, high: float, style: str, title: str) -> Bar:
    top = frame.y(high)
    left = frame.x(x)
    return Bar(left, top, round(min(width, WIDTH - RIGHT - left), 1), round(frame.y(low) - top, 1), style, title)


def _spread(first: float, last: float, count: int = 4) -> list[float]:
    return [first + (last - first) * i / count for i in range(count + 1)]


def _count(value: float) -> str:
    unit, scale = ("", 1.0) if value < 10_000 else ("k", 1e3) if value < 1e7 else ("M", 1e6)
    return f"{value / scale:,.0f}{unit}" if value >= 10 or value == int(value) else f"{value:.3g}"


def _percent(value: float) -> str:
    return f"{100 * value:.3g}%"


def _clock(found: UsageReport, span: float) -> Callable[[float], str]:
    """Return what writes times so that those within a span can be told apart."""
    if not found.dated:
        first = found.first or 0.0
        return lambda time: f"+{format_span(max(0.0, time - first))}"
    form = "%H:%M:%S" if span < 600 else "%H:%M" if span < 2 * DAY else "%d %b" if span < 300 * DAY else "%b %Y"
    return lambda time: datetime.fromtimestamp(time, timezone.utc).strftime(form)
