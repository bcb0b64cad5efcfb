"""Outputs as they are stored: their tensors, what is needed to build them again, and the shapes they were made for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ...model.outputs import Spec, pack, unpack

Packing = tuple[list[Any], list[int], Spec]
"""Leaves of an output with tensors left out, the places of the tensors, and the nesting."""

BARE: Packing = ([None], [0], None)
"""The packing of an output that is a tensor."""

Shapes = tuple[torch.Size, ...]
"""Shapes of the tensors among the arguments of a call."""

Seen = tuple[Shapes, Any]
"""Shapes that a module was given, and a stand-in for what it returned."""

ONE: Sequence[Packing] = (BARE,)
"""The packings of a leaf that is called once in a forward and returns a tensor, as most do; it is known by identity."""


def shapes_of(args: Any, kwargs: Any) -> Shapes:
    """Shapes of the tensors among a call's arguments."""
    return tuple([value.shape for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)])


def entry(bare: bool, args: Any, kwargs: Any) -> Any:
    """Return what has to be the same where an output is used again: the shapes that its own follows from.

    None where that is unknown.

    A module that returns one tensor returns it in the shape of its first argument, whatever it attends to besides.
    """
    if args is None:
        return None
    return args[0].shape if bare and args and isinstance(args[0], torch.Tensor) else shapes_of(args, kwargs)


def packed(output: Any) -> tuple[list[torch.Tensor], Packing]:
    """Return the tensors of an output, and all else that is needed to build it again around other tensors."""
    if isinstance(output, torch.Tensor):
        return [output], BARE
    leaves, spec = unpack(output)
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
    rest = [None if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
    return [leaves[i] for i in places], (rest, places, spec)


def repacked(tensors: Sequence[torch.Tensor], packing: Packing) -> Any:
    """Return an output built around other tensors, the inverse of `packed`."""
    leaves, places, spec = packing
    if spec is None:
        return tensors[0]
    leaves = list(leaves)
    for place, tensor in zip(places, tensors, strict=True):
        leaves[place] = tensor
    return pack(leaves, spec)
