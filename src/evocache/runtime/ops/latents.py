"""Which of a denoiser call's arguments are its latents, and what shapes it is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch

Placed = tuple[str, torch.Tensor]
"""A tensor and its place in the arguments."""


def latents_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> torch.Tensor | None:
    """Return the first tensor of more than one dimension among the arguments, and in lists of them.

    As a rule these are the latents.
    """
    for place, value in (*enumerate(args), *kwargs.items()):
        for _, leaf in _tensors(value, str(place)):
            return leaf
    return None


def tensors_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Placed], list[Placed]]:
    """Tensors of more than one dimension among the arguments, however nested: those of the latents, and all others.

    The latents are the first argument that has any: a tensor, or a list of samples of any sizes.
    """
    samples: list[Placed] = []
    others: list[Placed] = []
    for place, value in (*enumerate(args), *kwargs.items()):
        (others if samples else samples).extend(_tensors(value, str(place)))
    return samples, others


def _tensors(value: Any, place: str) -> Iterator[Placed]:
    if isinstance(value, torch.Tensor):
        if value.ndim > 1:
            yield place, value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _tensors(entry, f"{place}.{key}")
    elif isinstance(value, (list, tuple)):
        for i, entry in enumerate(value):
            yield from _tensors(entry, f"{place}.{i}")


def differentiated(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether gradients may be taken through a call: with respect to its latents, or to what conditions it."""
    if not torch.is_grad_enabled():
        return False
    samples, others = tensors_of(args, kwargs)
    return any(tensor.requires_grad for _, tensor in (*samples, *others))


def by_sample(tensor: torch.Tensor, shape: Sequence[int]) -> bool:
    """Return whether a tensor's first dimension is the batch of some latents, or that times their frames.

    AnimateDiff repeats embeddings of shape (batch, tokens, channels) for each frame.
    """
    frames = shape[1:-2] if len(shape) > 4 and tensor.ndim > 2 else ()
    return tensor.ndim > 0 and len(tensor) in (shape[0], *(shape[0] * frame for frame in frames))


class Signature(NamedTuple):
    """What calls have in common whose features may be used for one another.

    Attributes:
        shape: of the latents, or of the first of several samples.
        samples: shape, type and device of all of them.
        others: shapes of all other tensors of more than one dimension, by their place in the arguments.
    """

    shape: tuple[int, ...]
    samples: tuple[object, ...]
    others: tuple[object, ...]


def signature(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Signature | None:
    """Calls that differ in it have no features in common; None if there are no latents."""
    samples, others = tensors_of(args, kwargs)
    if not samples:
        return None
    return Signature(
        tuple(samples[0][1].shape),
        tuple((place, tuple(tensor.shape), tensor.dtype, tensor.device) for place, tensor in samples),
        tuple((place, tuple(tensor.shape)) for place, tensor in others),
    )
