"""Charts as the templates draw them, in SVG: values turned into places within a fixed frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 42
"""Margins of the frame, for what stands at the axes."""


@dataclass(frozen=True)
class Tick:
    """A place on an axis, and what stands there; texts at the ends of an axis are anchored to their side."""

    at: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True)
class Line:
    """A line through points, as SVG writes them, in a style of the page; a name has it in the legend."""

    points: str
    style: str
    name: str = ""


@dataclass(frozen=True)
class Bar:
    """A bar, and what it says when it is pointed at."""

    x: float
    y: float
    width: float
    height: float
    style: str
    title: str


@dataclass(frozen=True)
class Mark:
    """A mark at a point, and what it says when it is pointed at."""

    x: float
    y: float
    style: str
    title: str


@dataclass(frozen=True)
class Rule:
    """A line from top to bottom, and what it says when it is pointed at."""

    x: float
    title: str


@dataclass(frozen=True)
class Chart:
    """All that stands in a frame.

    Attributes:
        label: what it shows, for those who do not see it.
        across: what the horizontal axis is.
        ticks: on the horizontal axis.
        levels: on the vertical axis.
        legend: style and name of what is shown, in order.
    """

    label: str
    across: str
    ticks: tuple[Tick, ...]
    levels: tuple[Tick, ...]
    bars: tuple[Bar, ...] = ()
    lines: tuple[Line, ...] = ()
    marks: tuple[Mark, ...] = ()
    rules: tuple[Rule, ...] = ()
    legend: tuple[tuple[str, str], ...] = ()
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


@dataclass(frozen=True)
class Frame:
    """Turns values into places.

    Attributes:
        first: value at the left end.
        last: value at the right end, above the first.
        most: value at the top; 0 is at the bottom.
        by_factor: whether equal factors are equally far apart, as of bytes.
    """

    first: float
    last: float
    most: float
    by_factor: bool = False

    def x(self, value: float) -> float:
        """Return the place of a value from left to right."""
        first, last, value = (math.log2(v) if self.by_factor else v for v in (self.first, self.last, value))
        share = (value - first) / (last - first) if last > first else 0.5
        return round(LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """Return the place of a value from the top."""
        share = value / self.most if self.most else 0.0
        return round(HEIGHT - BOTTOM - min(max(share, 0.0), 1.0) * (HEIGHT - BOTTOM - TOP), 1)

    def line(self, x: Sequence[float], y: Sequence[float]) -> str:
        """Return points as SVG writes them."""
        return " ".join(f"{self.x(a)},{self.y(b)}" for a, b in zip(x, y, strict=True))

    def levels(self, write: Callable[[float], str]) -> tuple[Tick, ...]:
        """Return round values of the vertical axis."""
        step = round_step(self.most / 4) if self.most else 1.0
        count = int(self.most / step + 1e-9)
        return tuple(Tick(self.y(i * step), write(i * step)) for i in range(count + 1))

    def ticks(self, values: Sequence[float], write: Callable[[float], str]) -> tuple[Tick, ...]:
        """Return values of the horizontal axis; those next to an end do not reach beyond it."""
        found = []
        for value in values:
            at = self.x(value)
            anchor = "start" if at < LEFT + 14 else "end" if at > WIDTH - RIGHT - 14 else "middle"
            found.append(Tick(at, write(value), anchor))
        return tuple(found)


def round_step(least: float) -> float:
    """Return the least of 1, 2, 2.5, 5 times a power of ten that is no less."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step for factor in (1, 2, 2.5, 5, 10) if (step := factor * power) >= least * (1 - 1e-9))
