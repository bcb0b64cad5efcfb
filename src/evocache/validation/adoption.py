"""Which of the things that a front was held against belong to it, as they are better than all of its points. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..schedule import Schedule
from ..schedule.front import Point
from ..schedule.front.comparison import Figures, is_doubtful, loses
from ..schedule.schedule import Provenance
from ..search.genome.memory_genes import PEAK
from .contender import Contender
from .contenders import Field
from .proof_file import UNCACHED

MEMORY = "memory"
"""Bytes of cached features: an objective, and a figure of everything that is measured."""


def adopt_rivals(contenders: Sequence[Contender], figures: Mapping[str, Figures], field: Field) -> dict[str, Contender]:
    """Return policies and fewer steps that no point of the front beats, as points of it; by their own names.

    A search goes by predicted times and its own prompts. Where the clock and held-out prompts find that a policy or a
    number of uncached steps is worth more than every point, whoever picks from the front is to get that. A point, or
    the uncached pipeline, beats what it is at least as good and as fast as. What the clock cannot be believed of is not
    adopted, and beats nothing; nor are policies where fewer steps are as good in the same time.

    Nothing is adopted where the peak of whole generations was searched, as it was not for these, and nothing that
    caches more than the front does where the bytes of cached features were.

    Args:
        contenders: all that was measured.
        figures: what was measured, by name.
        field: what could be measured.
    """
    points = [contender.point for contender in contenders if contender.group == "front" and contender.point is not None]
    if not points or any(PEAK in point.objectives for point in points):
        return {}
    front = [figures[contender.name] for contender in contenders if contender.group == "front"]
    front = [found for found in front if not is_doubtful(found) and not loses(found)]
    known = {point.schedule.digest for point in points}
    most = max((found[MEMORY] for found in front), default=0.0) if any(MEMORY in p.objectives for p in points) else None
    front.append(figures[UNCACHED])
    taken: dict[str, Contender] = {}
    # of equals, fewer steps are taken
    for contender in sorted(
        contenders, key=lambda contender: (-figures[contender.name]["quality"], contender.group != "steps")
    ):
        found, point = figures[contender.name], _point(contender, field)
        if contender.group != "steps" and loses(found):
            continue
        if contender.group == "front" or point is None or point.schedule.digest in known or is_doubtful(found):
            continue
        if (most is None or found[MEMORY] <= most) and not any(_beats(other, found) for other in front):
            taken[contender.name] = replace(contender, group="front", point=point)
            front.append(found)
            known.add(point.schedule.digest)
    return taken


def _point(contender: Contender, field: Field) -> Point | None:
    """A rival as a point; None for fewer steps than a point may have."""
    if contender.point is not None:
        return contender.point
    if contender.steps is None or field.least is None or contender.steps < field.least:
        return None
    return Point(Schedule.full(field.tree, contender.steps, provenance=Provenance(origin=contender.name)), {})


def _beats(point: Figures, other: Figures) -> bool:
    return point["quality"] >= other["quality"] and point["speedup"] >= other["speedup"]
