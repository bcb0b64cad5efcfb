"""Which of a denoiser call's arguments are its latents, and what shapes it is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch

Placed = tuple[str, torch.Tensor]
"""A tensor and its place in the arguments."""

_PLAIN = frozenset((type(None), bool, int, float, str, torch.dtype, torch.device))
"""Types of arguments that hold no tensors; asking whether these are tensors takes longer than it looks."""


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
        if type(value) is torch.Tensor:
            if value.ndim > 1:
                (others if samples else samples).append((str(place), value))
        elif type(value) not in _PLAIN:
            (others if samples else samples).extend(_tensors(value, str(place)))
    return samples, others


def _tensors(value: Any, place: str) -> Iterator[Placed]:
    if type(value) in _PLAIN:
        return
    if isinstance(value, torch.Tensor):
        if value.ndim > 1:
            yield place, value
    elif isinstance(value, (dict, Mapping)):
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
    samples: tuple[tuple[str, tuple[int, ...], torch.dtype, torch.device], ...]
    others: tuple[tuple[str, tuple[int, ...]], ...]

    @property
    def rows(self) -> int:
        """Number of samples: those of one tensor, or the entries of a list of samples of any sizes."""
        return len(self.samples) if "." in self.samples[0][0] else self.shape[0]

    def is_of(self, samples: Sequence[Placed], others: Sequence[Placed]) -> bool:
        """Return whether `signature` would return the same of some tensors; nothing is made for it."""
        return (
            len(samples) == len(self.samples)
            and len(others) == len(self.others)
            and all(
                place == known[0] and one.shape == known[1] and one.dtype == known[2] and one.device == known[3]
                for (place, one), known in zip(samples, self.samples, strict=True)
            )
            and all(
                place == known[0] and one.shape == known[1]
                for (place, one), known in zip(others, self.others, strict=True)
            )
        )


def signature(samples: Sequence[Placed], others: Sequence[Placed]) -> Signature | None:
    """Return what is the same of calls that may have features in common; None if there are no latents.

    Args:
        samples: the latents of a call, as `tensors_of` returns them.
        others: its other tensors.
    """
    if not samples:
        return None
    return Signature(
        tuple(samples[0][1].shape),
        tuple((place, tuple(tensor.shape), tensor.dtype, tensor.device) for place, tensor in samples),
        tuple((place, tuple(tensor.shape)) for place, tensor in others),
    )
