"""Wishes for a point of a front, and how far a point is from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...errors import FrontError
from ...units import format_bytes
from ..numbers import check_real
from .point import Point


def read_wish(name: str, value: Any, above: float | None = None) -> float:
    """Read the number of a wish, which may be a text.

    Raises:
        FrontError: if it is none, or not above the bound.
    """
    try:
        number = float(value) if isinstance(value, str) else value
    except ValueError:
        number = value
    return check_real(number, name, FrontError, above=above)


def describe_figure(name: str, value: float) -> str:
    """Write a wish, or a figure, with its name and unit."""
    if name != "memory":
        return f"{name} {value:.4g}"
    return f"{name} {format_bytes(value)}"


def find_figure(point: Point, name: str) -> float | None:
    """Return what is known of what is wished for."""
    return point.held if name == "memory" else point.figure(name)


def read_figure(point: Point, name: str) -> float:
    """Return what is known of what is wished for; the worst possible where nothing is."""
    value = find_figure(point, name)
    return float((math.inf if name == "memory" else -math.inf) if value is None else value)


def rank_by_speed(point: Point) -> float:
    """Return what decides between points of equal quality: the speed-up; the less of it where no quality is known."""
    return read_figure(point, "speedup") * (-1 if point.figure("quality") is None else 1)


def measure_shortfall(point: Point, wanted: Mapping[str, float]) -> float:
    """Measure how far a point is from what is wanted, relative to it; 0 if it has it all."""
    total = 0.0
    for name, value in wanted.items():
        missing = read_figure(point, name) - value if name == "memory" else value - read_figure(point, name)
        total += max(missing, 0.0) / max(abs(value), 1e-9)
    return total
