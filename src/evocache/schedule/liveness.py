"""Liveness: which cached values a schedule needs, from when to when. Storage is planned as registers in a compiler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .schedule import Schedule


class Value(NamedTuple):
    """A feature that is stored: the output of `component` computed at step `born`, read until step `last_read`."""

    component: int
    born: int
    last_read: int


def reads(schedule: Schedule) -> dict[tuple[int, int], tuple[int, ...]]:
    """For every reading cell (step, component): the steps whose values it reads, latest first."""
    out: dict[tuple[int, int], tuple[int, ...]] = {}
    for column in np.flatnonzero(schedule.read.any(axis=0)):
        computed: list[int] = []
        for step in range(schedule.steps):
            if schedule.executed[step, column]:
                computed.append(step)
            elif schedule.read[step, column]:
                order = int(schedule.orders[step, column])
                out[step, int(column)] = tuple(reversed(computed[-(order + 1) :]))
    return out


def values(schedule: Schedule) -> list[Value]:
    """All values that have to be stored, by component and birth; a value that nobody reads is not among them."""
    last: dict[tuple[int, int], int] = {}
    for (step, column), born_steps in sorted(reads(schedule).items()):
        for born in born_steps:
            last[column, born] = step
    return [Value(column, born, step) for (column, born), step in sorted(last.items())]


def alive(schedule: Schedule) -> list[list[Value]]:
    """Per step, the values that are held at its end."""
    stored = values(schedule)
    return [[v for v in stored if v.born <= step < v.last_read] for step in range(schedule.steps)]


class Lifetimes(NamedTuple):
    """One branch of a denoiser, for `peak_of`.

    Attributes:
        schedule: what it follows.
        sizes: bytes of one stored value, by component id.
        order: component ids in order of execution (a container counts as executed when its last part is).
        start: the step of the generation at which the schedule's first row is executed.
        rows: how many rows were executed; all when not given.
        dropped: the step of the generation before which all that it still held was forgotten, if it was.
    """

    schedule: Schedule
    sizes: Mapping[str, int]
    order: Sequence[str]
    start: int = 0
    rows: int | None = None
    dropped: int | None = None


def peak_bytes(
    schedule: Schedule,
    sizes: Mapping[str, int] | Sequence[Mapping[str, int]],
    order: Sequence[str] | None = None,
) -> int:
    """Peak bytes of cached values, followed event by event.

    Within a step components come in their order of execution; a value is held from the end of its computation to the
    end of its last read.

    Args:
        schedule: the schedule.
        sizes: bytes of one stored value by component id; or one such mapping for each branch, when the denoiser is
            called several times a step.
        order: component ids in order of execution; the order of the components when not given, and of those that it
            does not name, which come last.
    """
    branches = [sizes] if isinstance(sizes, Mapping) else list(sizes)
    ids = [c.id for c in schedule.components] if order is None else order
    return peak_of([Lifetimes(schedule, branch, ids) for branch in branches])


def peak_of(branches: Sequence[Lifetimes]) -> int:
    """Peak bytes over branches that share one store: within a step they follow one another in the order given."""
    events: list[tuple[int, int, int, int, int]] = []
    for number, branch in enumerate(branches):
        ids = [c.id for c in branch.schedule.components]
        rank = {id: i for i, id in enumerate(branch.order)}
        changes: dict[tuple[int, int], list[int]] = {}
        for value in values(branch.schedule):
            size = branch.sizes.get(ids[value.component], 0)
            changes.setdefault((value.born, value.component), [0, 0])[0] += size
            changes.setdefault((value.last_read, value.component), [0, 0])[1] += size
        last = branch.schedule.steps if branch.rows is None else branch.rows
        left = 0
        for (step, column), (stored, freed) in changes.items():
            if step < last:
                left += stored - freed
                events.append((step + branch.start, number, rank.get(ids[column], len(rank) + column), stored, freed))
        if branch.dropped is not None:
            events.append((branch.dropped, -1, number, 0, left))
    held = peak = 0
    for *_, stored, freed in sorted(events):
        held += stored
        peak = max(peak, held)
        held -= freed
    return peak
