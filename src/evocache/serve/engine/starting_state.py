"""What a request's arguments were when it began, so that it can begin anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils import _pytree as pytree


class StartingState:
    """Keeps the states of the generators among a call's arguments, and how often its tensors were written into.

    Args:
        arguments: of the call, before it.
    """

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        leaves = pytree.tree_leaves(dict(arguments))
        self._generators = [(leaf, leaf.get_state()) for leaf in leaves if isinstance(leaf, torch.Generator)]
        self._tensors = [(leaf, _version(leaf)) for leaf in leaves if isinstance(leaf, torch.Tensor)]

    def restore(self) -> bool:
        """Put generators back; return whether all is as it was: what was written into a tensor is lost."""
        for generator, state in self._generators:
            generator.set_state(state)
        return all(_version(tensor) == version for tensor, version in self._tensors)


def _version(tensor: torch.Tensor) -> int | None:
    return None if tensor.is_inference() else tensor._version
