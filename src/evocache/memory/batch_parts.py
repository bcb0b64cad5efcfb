"""Parts of a batch's tensor that are stored as they are, each with a count of writes of its own.

A view of a batch shares its count of writes with its neighbours, so that a write to one would make all stale. A part
lies in the batch's memory without being a view: nothing is copied when it is stored, and nothing when all parts are
read together again. It keeps the whole batch alive: who stores parts gives them memory of their own
(`FeatureStore.own`) when others of the batch are gone, and tells them of writes into the whole (`mark_written`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

_PART = "_evocache_part_of_batch"


def part_of(view: torch.Tensor) -> torch.Tensor:
    """Return a tensor in the memory of a view, whose writes are counted apart."""
    part = torch.empty(0, dtype=view.dtype, device=view.device)
    part.set_(view.untyped_storage(), view.storage_offset(), view.shape, view.stride())
    part.__dict__[_PART] = True
    return part


def is_part(tensor: torch.Tensor) -> bool:
    """Return whether a tensor is a part of a batch's."""
    return _PART in tensor.__dict__


def join_parts(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return rows after rows: without a copy if they lie one after the other in one memory already."""
    first = parts[0]
    if not all(map(is_part, parts)) or not first.is_contiguous():
        return torch.cat(tuple(parts))
    storage, place, rows = first.untyped_storage().data_ptr(), first.storage_offset(), 0
    for part in parts:
        adjacent = part.untyped_storage().data_ptr() == storage and part.storage_offset() == place
        if not adjacent or not part.is_contiguous() or part.shape[1:] != first.shape[1:] or part.dtype != first.dtype:
            return torch.cat(tuple(parts))
        place += part.numel()
        rows += len(part)
    whole = torch.empty(0, dtype=first.dtype, device=first.device)
    shape = (rows, *first.shape[1:])
    whole.set_(first.untyped_storage(), first.storage_offset(), shape, first.stride())
    return whole


def mark_written(part: torch.Tensor) -> None:
    """Note that somebody wrote into a part's memory by way of the whole."""
    torch._C._autograd._unsafe_set_version_counter((part,), (part._version + 1,))
