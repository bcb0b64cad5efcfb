"""Packing and unpacking of what modules return: the only place that knows that outputs are nested."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils import _pytree as pytree

Spec = Any
"""How leaves were nested; opaque. None stands for a bare tensor."""


def unpack(output: Any) -> tuple[list[Any], Spec]:
    """Return the leaves of an output (tensors, None, numbers), in order, and how they were nested."""
    if isinstance(output, torch.Tensor):
        return [output], None
    leaves, spec = pytree.tree_flatten(output)
    return leaves, spec


def pack(leaves: list[Any], spec: Spec) -> Any:
    """Return the inverse of `unpack`."""
    return leaves[0] if spec is None else pytree.tree_unflatten(leaves, spec)


def list_tensors(output: Any) -> list[torch.Tensor]:
    """Return the tensors among the leaves of an output."""
    return [leaf for leaf in unpack(output)[0] if isinstance(leaf, torch.Tensor)]


def count_bytes(output: Any) -> int:
    """Return the bytes of the tensors in an output."""
    return sum(t.numel() * t.element_size() for t in list_tensors(output))


def make_blank(output: Any) -> Any:
    """Return a stand-in with the shapes, types and devices of an output, all zero, that takes no memory."""
    leaves, spec = unpack(output)
    return pack([_blank(leaf) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves], spec)


def fill_blank(stand_in: Any) -> Any:
    """Make zeros of its own memory for a stand-in: the host may write into what it is given.

    Nobody reads them, but memory as it was found may hold NaN, or the values of somebody else. Asked for in every
    skipped call, so that the usual forms do without pytrees.
    """
    if isinstance(stand_in, torch.Tensor):
        return torch.zeros_like(stand_in, memory_format=torch.contiguous_format)
    if type(stand_in) in (tuple, list):
        return type(stand_in)(map(fill_blank, stand_in))
    leaves, spec = unpack(stand_in)
    return stand_in if spec.is_leaf() else pack(list(map(fill_blank, leaves)), spec)


def _blank(tensor: torch.Tensor) -> torch.Tensor:
    return torch.zeros((), dtype=tensor.dtype, device=tensor.device).expand(tensor.shape)
