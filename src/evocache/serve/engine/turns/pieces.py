"""A call with many rows, computed a few rows at a turn: batches of pictures, frames of a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from ....runtime.joint.arguments import Reading, Rows
from ....runtime.joint.flat import Flat, flat
from ....runtime.joint.lane import Lane
from ....runtime.ops.stored_output import packed, repacked


def splits(given: Flat, reading: Reading, rows: int) -> bool:
    """Return whether a call's arguments can be cut where its rows are.

    Not lists of samples, several entries a row, tables that are as long as the batch, or numbers that may say how many
    of the rows belong together, as frames of a video do.

    Args:
        given: the arguments.
        reading: their roles.
        rows: of the call.
    """
    for leaf, role in zip(given.leaves, reading, strict=True):
        if isinstance(role, Rows):
            if role.times != 1 or not isinstance(leaf, torch.Tensor):
                return False
        elif isinstance(leaf, (torch.Tensor, list)):
            if getattr(leaf, "ndim", 1) and len(leaf) == rows > 1:
                return False
        elif type(leaf) is int and leaf > 1 and rows % leaf == 0:
            return False
    return True


def cut(lane: Lane, rows: int) -> list[Lane]:
    """Return a call as several of a number of rows each; the call itself if its rows are no more."""
    if lane.rows <= rows:
        return [lane]
    counts = [min(rows, lane.rows - at) for at in range(0, lane.rows, rows)]
    given = flat(lane)
    leaves = [_parts(leaf, lane.rows, counts) for leaf in given.leaves]
    found = []
    for at, count in enumerate(counts):
        args, kwargs = given.nested([parts[at] for parts in leaves])
        found.append(replace(lane, args=args, kwargs=kwargs, rows=count))
    return found


def _parts(leaf: Any, rows: int, counts: Sequence[int]) -> Sequence[Any]:
    if isinstance(leaf, torch.Tensor) and leaf.ndim and len(leaf) == rows:
        return torch.split(leaf, list(counts))
    if isinstance(leaf, list) and len(leaf) == rows:
        ends = [sum(counts[: at + 1]) for at in range(len(counts))]
        return [leaf[end - count : end] for end, count in zip(ends, counts, strict=True)]
    return [leaf] * len(counts)


def join_outputs(outputs: Sequence[Any]) -> Any:
    """Return what a call returns from what its pieces return."""
    each = [packed(output) for output in outputs]
    joined = [torch.cat(parts) for parts in zip(*(own for own, _ in each), strict=True)]
    return repacked(joined, each[0][1])
