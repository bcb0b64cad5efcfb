"""One denoiser call for several generations, each under the operations of its own schedule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ops.recompute import Apart
from .arguments import join, split_rows
from .batch import Batch
from .flat import Flat
from .joint_op import JointOp
from .lane import Lane
from .padding import padded, padding_of
from .proof import Proven, under


def compute_together(lanes: Sequence[Lane], given: Sequence[Flat], proven: Proven) -> list[Any]:
    """Compute several calls as one, in this thread.

    Args:
        lanes: the calls.
        given: their arguments.
        proven: how calls of their kind are computed together.

    Returns:
        What each call returns, in memory of its own.

    Raises:
        Apart: if they do not fit together after all; what their schedules stored of the call is then incomplete.
    """
    rows = [lane.rows for lane in lanes]
    padding = padding_of(lanes)
    joint = join(lanes, given, proven.reading, padding)
    if joint is None:
        raise Apart
    batch, first = Batch(rows, padded if lanes[0].regions else None), lanes[0]
    ids = {id_ for lane in lanes for id_ in lane.table}
    table = {id_: JointOp(batch, [lane.table.get(id_) for lane in lanes], proven.modules[id_] or {}) for id_ in ids}
    args, kwargs = joint
    try:
        with under(table):
            output = first.original(first.module, *args, **kwargs)
    finally:
        batch.end()
    try:
        return split_rows(output, rows, padding)
    except ValueError:
        raise Apart from None


def may_meet(lane: Lane, proven: Proven) -> bool:
    """Return whether all modules that a call has operations on are known to be computed row by row."""
    return all(proven.modules.get(id_) is not None for id_ in lane.table)


def unseen(lanes: Sequence[Lane], proven: Proven) -> list[int]:
    """Return ids of modules that calls have operations on, and the proof of their kind did not look at."""
    return [id_ for id_ in dict.fromkeys(id_ for lane in lanes for id_ in lane.table) if id_ not in proven.modules]
