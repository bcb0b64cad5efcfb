"""Liveness: which cached values a schedule needs, from when to when. Storage is planned as registers in a compiler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .schedule import Schedule

Indices = npt.NDArray[np.intp]


class Value(NamedTuple):
    """A feature that is stored: the output of `component` computed at step `born`, read until step `last_read`."""

    component: int
    born: int
    last_read: int


class Lookups(NamedTuple):
    """What `find_reads` and `find_values` say, as columns of two tables.

    Attributes:
        component: of each stored value, its component; values come by component and birth.
        born: the step at which it is computed.
        last_read: the step at which it is read last.
        step: of each read of a value, when it is; reads come by component and step, the latest value first.
        value: which of the stored values is read.
    """

    component: Indices
    born: Indices
    last_read: Indices
    step: Indices
    value: Indices


def find_lookups(schedule: Schedule) -> Lookups:
    """Find all stored values and all their reads at once: a schedule of any size can be planned with it."""
    executed, read = schedule.executed.T, schedule.read.T
    component, born = np.nonzero(executed)
    latest = np.cumsum(executed).reshape(executed.shape) - 1  # numbers of computed values, by component and step
    reader, step = np.nonzero(read)
    count = schedule.orders.T[read].astype(np.intp) + 1  # canonical: so many were computed
    back = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    source = np.repeat(latest[reader, step], count) - back
    step = np.repeat(step, count)
    last = np.full(len(born), -1, dtype=np.intp)
    np.maximum.at(last, source, step)
    stored = last >= 0
    return Lookups(component[stored], born[stored], last[stored], step, (np.cumsum(stored) - 1)[source])


def find_reads(schedule: Schedule) -> dict[tuple[int, int], tuple[int, ...]]:
    """Find, for every reading cell (step, component), the steps whose values it reads, latest first."""
    found = find_lookups(schedule)
    out: dict[tuple[int, int], tuple[int, ...]] = {}
    cells = zip(found.step.tolist(), found.component[found.value].tolist(), strict=True)
    for cell, born in zip(cells, found.born[found.value].tolist(), strict=True):
        out[cell] = (*out.get(cell, ()), born)
    return out


def find_values(schedule: Schedule) -> list[Value]:
    """Find all values that have to be stored, by component and birth; a value that nobody reads is not among them."""
    found = find_lookups(schedule)
    columns = (found.component.tolist(), found.born.tolist(), found.last_read.tolist())
    return [Value(*value) for value in zip(*columns, strict=True)]


def find_held_values(schedule: Schedule) -> list[list[Value]]:
    """Find the values that are held at the end of each step."""
    stored = find_values(schedule)
    return [[v for v in stored if v.born <= step < v.last_read] for step in range(schedule.steps)]


class Lifetimes(NamedTuple):
    """One branch of a denoiser, for `compute_shared_peak`.

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


def compute_peak_bytes(
    schedule: Schedule,
    sizes: Mapping[str, int] | Sequence[Mapping[str, int]],
    order: Sequence[str] | None = None,
) -> int:
    """Compute the peak bytes of cached values, event by event.

    Within a step components come in their order of execution; a value is held from the end of its computation to the
    end of its last read.

    Args:
        schedule: the schedule.
        sizes: bytes of one stored value by component id; or one such mapping for each branch, when the denoiser is
            called several times a step. Where guidance is reused, that of the first call comes first.
        order: component ids in order of execution; the order of the components when not given, and of those that it
            does not name, which come last.
    """
    branches = [sizes] if isinstance(sizes, Mapping) else list(sizes)
    ids = [c.id for c in schedule.components] if order is None else order
    return compute_shared_peak([Lifetimes(schedule.of_branch(i), branch, ids) for i, branch in enumerate(branches)])


def compute_shared_peak(branches: Sequence[Lifetimes]) -> int:
    """Compute the peak bytes over branches that share one store; within a step they follow one another as given."""
    events: list[tuple[int, int, int, int, int]] = []
    for number, branch in enumerate(branches):
        ids = [c.id for c in branch.schedule.components]
        rank = {id: i for i, id in enumerate(branch.order)}
        changes: dict[tuple[int, int], list[int]] = {}
        for value in find_values(branch.schedule):
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
