"""What two calls of a pipeline have in common if they hold the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_flatten

SEEDS = ("generator",)
"""Arguments of a pipeline that say nothing of what it will hold."""


def form(args: Any, kwargs: Any) -> object:
    """What decides what a pipeline's call holds: all of it but words, the contents of pictures, and seeds."""

    def shape(leaf: Any) -> object:
        if isinstance(leaf, (torch.Tensor, np.ndarray)):
            return tuple(leaf.shape), str(leaf.dtype)
        if isinstance(leaf, str):
            return bool(leaf)
        size = getattr(leaf, "size", None)  # of a picture
        return (*size, getattr(leaf, "mode", None)) if isinstance(size, tuple) else repr(leaf)

    leaves, spec = tree_flatten((args, {n: v for n, v in kwargs.items() if n not in SEEDS and "callback" not in n}))
    return tuple(map(shape, leaves)), str(spec)
