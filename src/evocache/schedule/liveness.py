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
        order: component ids in order of execution (a container counts as executed when its last part is); the order
            of the components when not given.
    """
    branches = [sizes] if isinstance(sizes, Mapping) else list(sizes)
    ids = [c.id for c in schedule.components]
    rank = {id: i for i, id in enumerate(order if order is not None else ids)}
    place = [rank.get(id, len(rank)) for id in ids]
    born: dict[tuple[int, int], bool] = {}
    dies: dict[tuple[int, int], int] = {}
    for value in values(schedule):
        born[value.born, value.component] = True
        dies[value.last_read, value.component] = dies.get((value.last_read, value.component), 0) + 1
    events = sorted({*born, *dies}, key=lambda cell: (cell[0], place[cell[1]]))
    held = peak = 0
    for step in range(schedule.steps):
        row = [cell for cell in events if cell[0] == step]
        for branch in branches:
            for cell in row:
                size = branch.get(ids[cell[1]], 0)
                if cell in born:
                    held += size
                    peak = max(peak, held)
                held -= size * dies.get(cell, 0)
    return peak
