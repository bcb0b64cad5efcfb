"""What a module consists of, seen in one walk before a generation: what it was, and what was put on it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import torch
from torch import nn

from ...model.kinds import list_modules
from .region import is_compiled
from .subclasses import plain

COMPILED = "_torchdynamo_orig_callable"
"""What torch leaves on a function that it compiled."""


@dataclass(frozen=True)
class Snapshot:
    """A module and all in it, at one moment; two that are equal are the same modules, unchanged.

    Modules are held weakly: what was replaced may go, and does not come back under the address of another.

    Attributes:
        parts: the module and all in it.
        classes: their classes, as they are when nothing is attached.
        dtypes: types of the weights.
        marked: whether something was put on one of them that a cache of diffusers or a compiler may have left.
        compiled: whether some are compiled as modules.
    """

    parts: tuple[weakref.ref[nn.Module], ...]
    classes: tuple[type, ...]
    dtypes: frozenset[torch.dtype]
    marked: bool
    compiled: bool

    def same_modules(self, other: Snapshot) -> bool:
        """Return whether nothing was exchanged, put around or taken away."""
        return self.parts == other.parts and self.classes == other.classes


def snapshot(module: nn.Module) -> Snapshot:
    """Look at a module and all in it."""
    parts = list_modules(module)
    marked, compiled = getattr(module, "_cache_config", None) is not None, False
    dtypes: set[torch.dtype] = set()
    for part in parts:
        own = part.__dict__
        marked = marked or "_diffusers_hook" in own or hasattr(own.get("forward"), COMPILED)
        compiled = compiled or is_compiled(part)
        dtypes.update(weight.dtype for weight in part._parameters.values() if weight is not None)
    return Snapshot(tuple(map(weakref.ref, parts)), tuple(map(plain, parts)), frozenset(dtypes), marked, compiled)
