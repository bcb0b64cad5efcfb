"""What a module consists of, seen in one walk before a generation: what it was, and what was put on it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import torch
from torch import nn

from ...model.kinds import list_modules
from .region import is_compiled
from .subclasses import plain_class

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
    """Look at a module and all in it; before each generation, so that little of it is a loop in Python."""
    parts = list_modules(module)
    held, kinds = [part.__dict__ for part in parts], list(map(type, parts))
    hooked = [
        own for own in held if "_diffusers_hook" in own or ("forward" in own and hasattr(own["forward"], COMPILED))
    ]
    marked = bool(hooked) or getattr(module, "_cache_config", None) is not None
    classes = {kind: plain_class(kind) for kind in set(kinds)}
    dtypes = {weight.dtype for part in parts for weight in part._parameters.values() if weight is not None}
    found = tuple(map(weakref.ref, parts)), tuple(map(classes.__getitem__, kinds))
    return Snapshot(*found, frozenset(dtypes), marked, any(map(is_compiled, parts)))
