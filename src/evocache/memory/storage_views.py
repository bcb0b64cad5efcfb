"""Tensors over memory that others look at as well."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def view_storage(
    storage: torch.UntypedStorage, dtype: torch.dtype, offset: int, shape: Sequence[int], stride: Sequence[int]
) -> torch.Tensor:
    """Return a tensor that looks at memory.

    Args:
        storage: the memory.
        dtype: of the tensor.
        offset: its first element, counted in its own.
        shape: its sizes.
        stride: elements from one to the next along each axis.
    """
    return torch.empty(0, dtype=dtype, device=storage.device).set_(storage, offset, tuple(shape), tuple(stride))


def bytes_of(tensor: torch.Tensor) -> torch.Tensor:
    """Return all bytes of the memory that a tensor is in: `(bytes,)`, uint8.

    What is written by way of it counts as written into none of the tensors there.
    """
    storage = tensor.untyped_storage()
    return view_storage(storage, torch.uint8, 0, (storage.nbytes(),), (1,))
