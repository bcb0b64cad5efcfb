"""Points of a model's front, as they are offered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ....errors import MismatchError
from ....model import discover
from ....runtime.call_context import context_of
from ....runtime.choice.shipped_front import shipped_front
from ....schedule.front import Front, Point
from ....schedule.front.context import find_shared
from ..card import PointCard
from ..task import Value

FIXED = ("model", "weights", "solver", "adapters")
"""Values of a context that no request can set: a front that was evolved at others is none for this pipeline."""

LETTERS = 6
"""Letters of a label."""


def find_front(pipe: Any, path: str | None) -> Front | None:
    """Return the front of a run or file, or else the one that ships with a model; None if there is neither.

    Raises:
        MismatchError: if the one that is named is for another model.
        RunError: if it is damaged, or of another version.
    """
    model = discover(pipe)
    if path is None:
        return shipped_front(pipe, model)
    front = Front.load(path)
    if any(point.schedule.tree.structure != model.tree.structure for point in front):
        given = f"the front {path!r} for a {type(pipe).__name__}"
        raise MismatchError(given, "a front that was evolved for the model", "name another, or evolve one")
    return front


def list_points(pipe: Any, front: Front | None) -> list[Point]:
    """Return the points of a front that are worth offering, the slowest first.

    Those are sold, cache something or make fewer steps, and were evolved on these weights, with this solver.
    """
    if front is None or not len(front):
        return []
    own = context_of(pipe)
    fixed = replace(own, values={name: value for name, value in own if name in FIXED})
    fit = [point for point in front if point.sold and not (point.context and point.context.differences(fixed))]
    kept = [point for point in fit if not point.schedule.is_full or front.is_fewer_steps(point)]
    return sorted(kept, key=lambda point: _speedup(front, point))


def describe_points(front: Front, points: Sequence[Point], first: int = 0) -> tuple[PointCard, ...]:
    """Return the cards of points, by the numbers that tasks name them with.

    Args:
        front: that they are of.
        points: the points.
        first: the number of the first.
    """
    return tuple(
        PointCard(at, _label(point), _speedup(front, point), point.figure("quality"), point.schedule.steps)
        for at, point in enumerate(points, first)
    )


def find_context(points: Sequence[Point], settable: Collection[str]) -> Mapping[str, Value]:
    """Return what points were evolved at, of what a request can set: values that they have in common."""
    known = [point.context for point in points if point.context is not None]
    shared = find_shared(known) if known else ()
    return {name: value for name, value in shared if name in settable}


def _speedup(front: Front, point: Point) -> float:
    """Times as fast as uncached: as measured, else as the share that is executed says."""
    return point.figure("speedup") or 1 / max(front.executed(point), 1e-6)


def _label(point: Point) -> str:
    """A name that stays with the schedule, and with how its features are stored."""
    stored = "" if point.storage == "none" else f"-{point.storage}"
    return f"{point.schedule.digest[:LETTERS]}{stored}"
