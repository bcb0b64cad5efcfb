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


def split_parts(whole: torch.Tensor, counts: Sequence[int]) -> list[torch.Tensor]:
    """Return the rows of a whole as parts: so many, one after the other."""
    if type(whole) is not torch.Tensor or whole.requires_grad:
        return [part_of(view) for view in torch.split(whole, list(counts))]
    parts: list[torch.Tensor] = list(torch.unsafe_split_with_sizes(whole, list(counts)))  # whose writes it counts apart
    for part in parts:
        part.__dict__[_PART] = True
    return parts


def is_part(tensor: torch.Tensor) -> bool:
    """Return whether a tensor is a part of a batch's."""
    return _PART in tensor.__dict__


def join_parts(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return rows after rows: without a copy if they lie one after the other in one memory already."""
    first = parts[0]
    if not all(map(is_part, parts)) or not first.is_contiguous():
        return torch.cat(tuple(parts))
    storage, place, shape, dtype = first.untyped_storage(), first.storage_offset(), first.shape, first.dtype
    address, rows = storage._cdata, 0
    for part in parts:
        adjacent = part.untyped_storage()._cdata == address and part.storage_offset() == place
        own = part.shape
        alike = own == shape or own[1:] == shape[1:]
        if not adjacent or not alike or not part.is_contiguous() or part.dtype != dtype:
            return torch.cat(tuple(parts))
        place += part.numel()
        rows += own[0]
    whole = torch.empty(0, dtype=dtype, device=first.device)
    whole.set_(storage, first.storage_offset(), (rows, *shape[1:]), first.stride())
    return whole


def mark_written(part: torch.Tensor) -> None:
    """Note that somebody wrote into a part's memory by way of the whole."""
    torch._C._autograd._unsafe_set_version_counter((part,), (part._version + 1,))
