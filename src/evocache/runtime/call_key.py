"""What two calls of a pipeline have in common if they hold the same, and what two states of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._pytree import tree_flatten

from ..model.pipeline_components import list_components
from .attach.snapshot import snapshot

SEEDS = ("generator",)
"""Arguments of a pipeline that say nothing of what it will hold."""


PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device)
"""Types of arguments that say all that they say by their value."""


def call_key(args: Any, kwargs: Any) -> object:
    """Return what decides what a pipeline's call holds: all of it but the contents of tensors and pictures, and seeds.

    Words count: prompts have more or fewer tokens. What an object of another kind will do is not known, so that it is
    like no other, and not like itself a call later.
    """

    def shape(leaf: Any) -> object:
        if isinstance(leaf, (torch.Tensor, np.ndarray)):
            return tuple(leaf.shape), str(leaf.dtype)
        if isinstance(leaf, PLAIN):
            return type(leaf), leaf
        size = getattr(leaf, "size", None)  # of a picture
        return (*size, getattr(leaf, "mode", None)) if isinstance(size, tuple) else object()

    leaves, spec = tree_flatten((args, {n: v for n, v in kwargs.items() if n not in SEEDS and "callback" not in n}))
    return tuple(map(shape, leaves)), str(spec)


SETTING = (bool, int, float)
"""Types of what an autoencoder is set to, such as whether it works in tiles and of which size."""


def state(pipe: Any) -> object:
    """Return what of a pipeline decides what its calls hold.

    That is the modules of its components, types of weights and settings.
    """
    return tuple((name, id(part), state_of(part)) for name, part in list_components(pipe).items())


def state_of(part: Any) -> object:
    """Return what of a component decides what its calls hold."""
    if not isinstance(part, nn.Module):
        return None
    settings = tuple((name, value) for name, value in vars(part).items() if type(value) in SETTING and name[0] != "_")
    return snapshot(part), settings
