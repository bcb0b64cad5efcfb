"""Which of a denoiser call's arguments are its latents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..model.outputs import unpack


def latents_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> torch.Tensor | None:
    """The first tensor of more than one dimension among the arguments, and in lists of them: the latents as a rule."""
    for value in (*args, *kwargs.values()):
        for leaf in unpack(value)[0] if isinstance(value, (list, tuple)) else (value,):
            if isinstance(leaf, torch.Tensor) and leaf.ndim > 1:
                return leaf
    return None


def by_sample(tensor: torch.Tensor, shape: Sequence[int]) -> bool:
    """Whether a tensor's first dimension is the batch of latents of a shape, or as many times that as they have frames.

    AnimateDiff repeats embeddings of shape (batch, tokens, channels) for each frame.
    """
    frames = shape[1:-2] if len(shape) > 4 and tensor.ndim > 2 else ()
    return tensor.ndim > 0 and len(tensor) in (shape[0], *(shape[0] * frame for frame in frames))


def signature(args: Sequence[Any], kwargs: Mapping[str, Any]) -> object:
    """Shape, type and device of the latents: calls that differ in them have no features in common."""
    latents = latents_of(args, kwargs)
    return None if latents is None else (tuple(latents.shape), latents.dtype, latents.device)
