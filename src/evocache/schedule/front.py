"""A Pareto front: schedules of which none is better than another in everything, with what was measured of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..errors import FrontError
from .schedule import Schedule

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


@dataclass(frozen=True)
class Point:
    """A schedule of a front.

    Attributes:
        schedule: the schedule.
        objectives: by name, what the search minimised, on its calibration prompts.
        measured: by name, what was measured afterwards on held-out prompts and by the clock: `speedup`, `quality`
            (higher is better), `memory` (bytes of cached features) and others; empty if nothing was.
    """

    schedule: Schedule
    objectives: Mapping[str, float]
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Front:
    """Points, from the fastest to the slowest."""

    points: tuple[Point, ...]

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[Point]:
        return iter(self.points)

    def pick(
        self, *, speedup: float | None = None, quality: float | None = None, memory: int | str | None = None
    ) -> Point:
        """The best point among those that are at least so fast and so good and take so little memory.

        Asked for a quality, with or without memory, the fastest one that reaches it; else the one of best quality.

        Args:
            speedup: least speed-up over the uncached pipeline.
            quality: least quality, in the front's own measure.
            memory: most bytes of cached features; a number or a text such as `"200MB"`.

        Raises:
            FrontError: if no point meets it all; the message names the nearest.
        """
        limits = {"speedup": speedup, "quality": quality, "memory": None if memory is None else in_bytes(memory)}
        wanted = {name: float(value) for name, value in limits.items() if value is not None}
        if not wanted:
            raise FrontError("no wish", "speedup, quality or memory", "try front.pick(speedup=2)")
        fitting = [point for point in self.points if _shortfall(point, wanted) == 0]
        if not fitting:
            raise self._unreachable(wanted)
        first, then = ("speedup", "quality") if quality is not None and speedup is None else ("quality", "speedup")
        return max(fitting, key=lambda point: (_figure(point, first), _figure(point, then)))

    def _unreachable(self, wanted: Mapping[str, float]) -> FrontError:
        asked = ", ".join(f"{name} {value:g}" for name, value in wanted.items())
        if not self.points:
            return FrontError(asked, "a front with points", "evolve one first")
        nearest = min(self.points, key=lambda point: _shortfall(point, wanted))
        has = ", ".join(f"{name} {_figure(nearest, name):g}" for name in ("speedup", "quality", "memory"))
        return FrontError(asked, f"what some point reaches; the nearest has {has}", "ask for less, or evolve longer")


def front_of(points: Sequence[Point], names: Sequence[str]) -> Front:
    """The points that no other dominates in the objectives named, from the worst to the best in the first of them."""
    values = np.array([[point.objectives[name] for name in names] for point in points]).reshape(len(points), -1)
    kept = [point for point, keep in zip(points, non_dominated(values), strict=True) if keep]
    return Front(tuple(sorted(kept, key=lambda p: tuple(-p.objectives[name] for name in names))))


def non_dominated(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which rows of (points, objectives), lower is better, no other row dominates; of equal rows the first stays."""
    keep = np.ones(len(values), dtype=bool)
    for i, row in enumerate(values):
        dominated = ((values <= row).all(axis=1) & (values < row).any(axis=1)).any()
        repeated = (values[:i] == row).all(axis=1).any()
        keep[i] = not dominated and not repeated
    return keep


def in_bytes(amount: int | str) -> int:
    """Bytes of an amount such as `"200MB"` or `"1.5 GiB"`.

    Raises:
        FrontError: if it is none.
    """
    if isinstance(amount, int) and not isinstance(amount, bool):
        return amount
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*)\s*", str(amount))
    if not match or match[2].upper() not in _UNITS:
        raise FrontError(f"{amount!r}", "bytes, such as 200MB or 1.5GiB", "write a number and a unit")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def _figure(point: Point, name: str) -> float:
    """What was measured under a name; the worst possible where nothing was."""
    return float(point.measured.get(name, float("inf") if name == "memory" else float("-inf")))


def _shortfall(point: Point, wanted: Mapping[str, float]) -> float:
    """How far a point is from what is wanted, relative to it; 0 if it has it all."""
    total = 0.0
    for name, value in wanted.items():
        missing = _figure(point, name) - value if name == "memory" else value - _figure(point, name)
        total += max(missing, 0.0) / max(abs(value), 1e-9)
    return total
