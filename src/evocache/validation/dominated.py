"""Which points of a front the clock and the proof's prompts find beaten, and by what. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..schedule.front.comparison import Figures, beats, is_doubtful, loses
from ..search.genome.memory_genes import PEAK
from .adoption import MEMORY
from .contender import Contender
from .proof_file import UNCACHED

FEWER_STEPS = "fewer steps"
"""What beats a point where no one number of steps does, but the line between two of them."""


def find_dominated(
    contenders: Sequence[Contender], adopted: Mapping[str, Contender], figures: Mapping[str, Figures]
) -> dict[str, str]:
    """Return by what each point that is beaten is, by the points' names.

    A point is beaten by what is at least as fast and as good and holds no more where that was searched: another point,
    a policy, fewer steps, the uncached pipeline. And by the line of fewer steps, where that is as good in the same
    time. What the clock cannot be believed of beats nothing; nor does a point's own schedule under another name.

    Args:
        contenders: all that was measured.
        adopted: those of them that are points, too, by name (see `adopt`).
        figures: what was measured, by name.
    """
    own = {**{contender.name: contender for contender in contenders if contender.group == "front"}, **adopted}
    objectives = {name for contender in own.values() if contender.point for name in contender.point.objectives}
    least = [name for name in (MEMORY, PEAK) if name in objectives]
    found: dict[str, Figures] = {UNCACHED: {MEMORY: 0.0, **figures[UNCACHED]}}
    found |= {
        contender.name: figures[contender.name] for contender in contenders if not is_doubtful(figures[contender.name])
    }
    identities = {contender.name: _identity(contender) for contender in contenders}
    lost: dict[str, str] = {}
    for name, point in own.items():
        mine = figures[name]
        by = [
            other
            for other, theirs in found.items()
            if identities.get(other) != _identity(point) and beats(theirs, mine, least)
        ]
        if by:
            lost[name] = max(by, key=lambda other: (found[other]["quality"], found[other]["speedup"]))
        elif not _computes_all(point) and loses(mine) and _no_more(contenders, found, mine, least):
            lost[name] = FEWER_STEPS
    return {name: lost.get(by, by) for name, by in lost.items()}


def _identity(contender: Contender) -> object:
    """What two contenders that do the same have in common, whatever they are called."""
    if contender.point is None or _computes_all(contender):
        return contender.steps if contender.point is None else contender.point.schedule.steps
    return contender.point.schedule.digest, contender.point.storage, contender.point.budget


def _computes_all(contender: Contender) -> bool:
    """Whether a point is nothing but fewer steps."""
    return contender.point is not None and contender.point.schedule.is_full and contender.point.budget is None


def _no_more(
    contenders: Sequence[Contender], found: Mapping[str, Figures], mine: Figures, least: Sequence[str]
) -> bool:
    """Whether fewer steps hold no more than a point does."""
    steps = [
        found[contender.name] for contender in contenders if contender.group == "steps" and contender.name in found
    ]
    return all(max((f.get(name, 1e300) for f in steps), default=1e300) <= mine.get(name, 1e300) for name in least)
