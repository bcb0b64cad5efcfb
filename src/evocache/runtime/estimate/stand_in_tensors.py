"""Stand-ins of tensors among a call's arguments, of the same shapes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.utils._pytree import tree_map


@dataclass(frozen=True)
class Shape:
    """What is kept of a tensor that a rehearsal returned."""

    size: torch.Size
    dtype: torch.dtype

    @classmethod
    def of(cls, tensor: torch.Tensor) -> Shape:
        """Return the shape of a tensor."""
        return cls(tensor.shape, tensor.dtype)


def zeros(value: Any, device: torch.device) -> Any:
    """Return what a rehearsal returned, as zeros on a device."""
    return remade(value, lambda shape: torch.zeros(shape.size, dtype=shape.dtype, device=device), Shape)


def remade(value: Any, make: Callable[[Any], Any], kind: type = torch.Tensor) -> Any:
    """Return what a rehearsal returned, with something else for tensors, or for what stands for them.

    Also those inside of objects, such as a latent's moments.
    """
    return tree_map(partial(_remade_leaf, make=make, kind=kind), value)


def _remade_leaf(leaf: Any, make: Callable[[Any], Any], kind: type) -> Any:
    if isinstance(leaf, kind):
        return make(leaf)
    if any(isinstance(held, kind) for held in getattr(leaf, "__dict__", {}).values()):
        leaf = copy.copy(leaf)
        leaf.__dict__.update({name: _remade_leaf(held, make, kind) for name, held in leaf.__dict__.items()})
    return leaf
