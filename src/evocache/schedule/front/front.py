"""A Pareto front: schedules of which none is better than another in everything, with what was measured of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from ...display import Displayed
from ...errors import ContextError, FrontError, ScheduleError
from ...units import in_bytes
from ..component import Tree
from ..io import strict_json as sj
from ..numbers import check_whole
from ..schedule import Schedule
from ..size_limits import MAX_STEPS
from .comparison import PREDICTED
from .context import Context
from .front_file import describe_damage, read_document, read_points
from .point import Point
from .wishes import describe_figure, find_figure, measure_shortfall, rank_by_speed, read_figure, read_wish


@dataclass(frozen=True)
class Front(Displayed):
    """Points, from the fastest to the slowest.

    Attributes:
        points: they may have different numbers of steps.
        uncached_steps: steps of the uncached pipeline that they are held against; as many as the point of most steps
            has when not given.
    """

    points: tuple[Point, ...]
    uncached_steps: int = 0

    def __post_init__(self) -> None:
        most = max((point.schedule.steps for point in self.points), default=0)
        object.__setattr__(self, "uncached_steps", max(self.uncached_steps, most))

    def executed(self, point: Point) -> float:
        """Return the share of the uncached pipeline's executions of leaves that a point's schedule has."""
        return point.schedule.executed_fraction() * point.schedule.steps / self.uncached_steps

    def is_fewer_steps(self, point: Point) -> bool:
        """Return whether a point is the uncached pipeline with fewer steps, of which nothing is cached."""
        return point.schedule.is_full and point.schedule.steps < self.uncached_steps

    def __str__(self) -> str:
        from .front_table import render_front

        return render_front(self)

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[Point]:
        return iter(self.points)

    def __getitem__(self, number: int) -> Point:
        return self.points[number]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Front:
        """Load the measured front of a run's folder, or of its `front.json`.

        Raises:
            RunError: if there is none, it is of another version, or it is damaged.

        >>> front = Front.load(zoo.find("zoo:emoji").front)
        >>> front.uncached_steps
        20
        """
        return load(path)

    def pick(
        self,
        *,
        speedup: float | None = None,
        quality: float | None = None,
        memory: int | float | str | None = None,
        context: Context | None = None,
    ) -> Point:
        """Pick the best point among those that are at least so fast and so good and take so little memory.

        Asked for a quality, with or without memory, the fastest one that reaches it; else the one of best quality, or,
        where no quality is known, the one that does most. A point is passed over if the clock shows it as much faster
        than its predicted cost allows, or if fewer steps are as good in the same time.

        Args:
            speedup: least speed-up over the uncached pipeline.
            quality: least quality, in the front's own measure.
            memory: most bytes; a number or a text such as `"2GB"`. Of the whole generation, weights included, where its
            peak was searched; of cached features in other fronts.
            context: of the call that it is for (`evocache.runtime.context_of(pipe, guidance_scale=5)`). Outside of what
            the points were evolved at nothing is promised: it is refused, as nothing is safe there but the uncached
            pipeline.

        Raises:
            ContextError: if the call is outside of what the points that meet the wishes were evolved at.
            FrontError: if no point meets it all; the message names the nearest. Or if the front does not know.

        >>> point = front.pick(speedup=2)
        >>> point.measured["speedup"] >= 2
        True
        >>> front.pick(quality=50).measured["quality"] >= 50
        True
        """
        limits = {
            "speedup": None if speedup is None else read_wish("speedup", speedup, above=0),
            "quality": None if quality is None else read_wish("quality", quality),
            "memory": None if memory is None else float(in_bytes(memory)),
        }
        wanted = {name: value for name, value in limits.items() if value is not None}
        if not wanted:
            raise FrontError("no wish", "speedup, quality or memory", "try front.pick(speedup=2)")
        fitting = [point for point in self.points if point.sold and measure_shortfall(point, wanted) == 0]
        if not fitting:
            raise self._unreachable(wanted)
        if context is not None:
            fitting = _within(fitting, context)
        if quality is not None and speedup is None:
            return max(fitting, key=lambda point: (read_figure(point, "speedup"), read_figure(point, "quality")))
        return max(fitting, key=lambda point: (read_figure(point, "quality"), rank_by_speed(point)))

    def retarget(
        self,
        target: Any,
        *,
        steps: int | None = None,
        depth: bool = False,
        predict: Callable[[Schedule], Mapping[str, float]] | None = None,
    ) -> Front:
        """Return the front for another pipeline: a variant of the model, another resolution, other numbers of steps.

        Nothing of it has been measured there. What was measured elsewhere is noted in each schedule's provenance, but
        for the speed-up, which is expected to be as far as the share that is executed stays; quality and memory are
        unknown, and `pick` says so, until they are predicted or measured. How features are stored stays as it was;
        budgets are left behind.

        Args:
            target: the pipeline, what `evocache.discover` finds in it, or a component tree.
            steps: of the uncached pipeline, the same as here when not given; points that have fewer have in proportion.
            depth: whether the model may have more or fewer blocks (see `Schedule.retargeted`).
            predict: figures of a schedule there, of `speedup`, `quality` (higher is better) and `memory` (bytes).

        Raises:
            MismatchError: if the pipeline's components are not like those that the schedules were made for.
            PipelineError: if it is none.
            ScheduleError: if the steps are no number of steps.
        """
        tree, model = _components(target)
        if steps is not None:
            check_whole(steps, "steps", 1, MAX_STEPS, ScheduleError)
        share = steps / self.uncached_steps if steps is not None and self.points else 1.0
        points: dict[tuple[str, str], Point] = {}
        for point in self.points:
            given = point.schedule
            known = {**given.provenance.objectives, **point.measured}
            moved = given.with_provenance(objectives=known).retargeted(tree, model=model, depth=depth)
            moved = moved.resampled(max(1, round(share * moved.steps)))
            expected = {} if predict is None else dict(predict(moved))
            speedup = point.measured.get(PREDICTED) if point.doubt else point.figure("speedup")
            if speedup is not None:
                before = given.executed_fraction() * given.steps * share
                expected.setdefault("speedup", speedup * (before / (moved.executed_fraction() * moved.steps)))
            asked = None if point.steps is None else moved.steps
            key = (moved.digest, point.storage)
            points.setdefault(key, Point(moved, {}, {}, expected, asked, point.storage))
        ordered = sorted(points.values(), key=lambda point: -read_figure(point, "speedup"))
        return Front(tuple(ordered), round(share * self.uncached_steps))

    def _unreachable(self, wanted: Mapping[str, float]) -> FrontError:
        asked = ", ".join(describe_figure(name, value) for name, value in wanted.items())
        if not self.points:
            return FrontError(asked, "a front with points", "evolve one first")
        sold = [point for point in self.points if point.sold]
        passed = [point for point in self.points if not point.sold and measure_shortfall(point, wanted) == 0]
        if passed or not sold:
            why = passed[0].doubt if passed else ""
            return FrontError(
                f"{asked}, of a front in which what meets it "
                + (f"cannot be believed: {why}" if why else "is beaten by fewer steps in the same time"),
                "a point that does what it says and is worth it",
                "ask for less, run the pipeline uncached with fewer steps, or evolve anew",
            )
        unknown = [name for name in wanted if all(find_figure(point, name) is None for point in self.points)]
        if unknown:
            known = [name for name in ("speedup", "quality", "memory") if name not in unknown]
            given = f"{asked} of a front whose {' and '.join(unknown)} nobody has measured"
            return FrontError(
                given, f"a wish for {' or '.join(known) or 'a point by its number'}", "evolve it there, or predict it"
            )
        nearest = min(sold, key=lambda point: measure_shortfall(point, wanted))
        figures = {name: find_figure(nearest, name) for name in ("speedup", "quality", "memory")}
        has = ", ".join(describe_figure(name, value) for name, value in figures.items() if value is not None)
        return FrontError(asked, f"what some point reaches; the nearest has {has}", "ask for less, or evolve longer")


def _within(points: Sequence[Point], context: Context) -> list[Point]:
    """The points that were evolved where a call is made, or of which it is not known where.

    Raises:
        ContextError: if there are none.
    """
    apart = [() if point.context is None else point.context.differences(context) for point in points]
    if all(apart):
        nearest = min(apart, key=len)
        raise ContextError(
            f"a call with {', '.join(map(str, nearest))}",
            "one inside of what the front was evolved at, as its figures say nothing elsewhere",
            "call it as it was evolved, evolve for this call, or run it uncached",
        )
    return [point for point, differences in zip(points, apart, strict=True) if not differences]


def _components(target: Any) -> tuple[Tree, Mapping[str, str]]:
    """The component tree of whatever a front is retargeted to, and the classes of its denoisers."""
    if isinstance(target, Tree):
        return target, {}
    if not isinstance(getattr(target, "tree", None), Tree):
        # A schedule knows no models. The root does, and it loads what it takes only when it is asked.
        target = import_module(__name__.split(".")[0]).discover(target)
    return target.tree, getattr(target, "classes", {})


def front_of(points: Sequence[Point], names: Sequence[str]) -> Front:
    """Return the points that no other dominates in the objectives named, from the worst to the best in the first."""
    values = np.array([[point.objectives[name] for name in names] for point in points]).reshape(len(points), -1)
    kept = [point for point, keep in zip(points, non_dominated(values), strict=True) if keep]
    return Front(tuple(sorted(kept, key=lambda p: tuple(-p.objectives[name] for name in names))))


def non_dominated(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which rows of (points, objectives), lower is better, no other row dominates; of equal rows the first."""
    keep = np.ones(len(values), dtype=bool)
    for i, row in enumerate(values):
        dominated = ((values <= row).all(axis=1) & (values < row).any(axis=1)).any()
        repeated = (values[:i] == row).all(axis=1).any()
        keep[i] = not dominated and not repeated
    return keep


def load(path: str | os.PathLike[str]) -> Front:
    """Return the front of a run folder or a `front.json`.

    Raises:
        RunError: if there is none, it is of another version, or it is damaged.
    """
    found = read_document(path)
    return read_front(found, read_points(found, path), path)


def read_front(found: dict[str, Any], named: list[tuple[str, Point]], path: str | os.PathLike[str]) -> Front:
    """Return the front of a document, from its points.

    Raises:
        RunError: if it is damaged.
    """
    try:
        basis = sj.read_object(found.get("basis", {}), "basis")
        return Front(tuple(point for _, point in named), sj.read_integer(basis.get("steps", 0), "steps", 0, MAX_STEPS))
    except ScheduleError as error:
        raise describe_damage(path, f"{error.given}, where {error.expected} is due") from None
