"""What a request's arguments were when it began, so that it can begin anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils import _pytree as pytree

from ...memory import version


class StartingState:
    """Keeps a call's arguments, the states of generators among them, and how often its tensors were written into.

    Args:
        arguments: of the call, before it.
    """

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        leaves, self._nested = pytree.tree_flatten(dict(arguments))
        self._leaves = leaves
        self._generators = [(leaf, leaf.get_state()) for leaf in leaves if isinstance(leaf, torch.Generator)]
        self._tensors = [(leaf, version(leaf)) for leaf in leaves if isinstance(leaf, torch.Tensor)]

    def restore(self) -> dict[str, Any] | None:
        """Put generators back, and return the arguments, in lists and dictionaries that nobody has changed.

        None if not all is as it was: what was written into a tensor is lost.
        """
        for generator, state in self._generators:
            generator.set_state(state)
        if any(version(tensor) != before for tensor, before in self._tensors):
            return None
        arguments: dict[str, Any] = pytree.tree_unflatten(self._leaves, self._nested)
        return arguments
