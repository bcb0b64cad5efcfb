"""Few latents: what a preview decodes instead of all."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

SIDE = 32
"""Most latents of a picture's side."""

POSITIONS = 4 * SIDE * SIDE
"""Most latents of all pictures together, as far as pictures of `LEAST` latents a side are not too many."""

LEAST = 8
"""Least latents of a picture's longer side that others are left out for."""

FRAMES = 2
"""Latent frames of a video that are decoded: the first ones, since decoders of videos know of a frame those before."""


def small_latents(latents: torch.Tensor) -> torch.Tensor:
    """Return latents of fewer positions, as means of their neighbours; the same where they are few.

    Args:
        latents: `(rows, channels, height, width)` or `(rows, channels, frames, height, width)`; anything else, and
            codes that are no numbers to take a mean of, are left as they are.
    """
    if latents.ndim not in (4, 5) or not latents.is_floating_point():
        return latents
    if latents.ndim == 5 and latents.shape[2] > FRAMES:
        latents = latents[:, :, :FRAMES]
    height, width = latents.shape[-2:]
    pictures = latents.shape[0] * (latents.shape[2] if latents.ndim == 5 else 1)
    side = max(LEAST, min(SIDE, int((POSITIONS / pictures) ** 0.5)))
    times = ceil(max(height, width) / side)
    if times <= 1:
        return latents
    size = ceil(height / times), ceil(width / times)
    flat = latents.transpose(1, 2).flatten(0, 1) if latents.ndim == 5 else latents
    pooled = F.interpolate(flat, size=size, mode="area")
    if latents.ndim == 4:
        return pooled
    return pooled.reshape(latents.shape[0], -1, *pooled.shape[1:]).transpose(1, 2)


def with_few_latents(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any], bool]:
    """Return the arguments of a call of `decode`, with fewer latents if there are many, and whether there were."""
    if args:
        small = small_latents(args[0])
        return (small, *args[1:]), dict(kwargs), small is not args[0]
    name = next(name for name, value in kwargs.items() if isinstance(value, torch.Tensor))
    small = small_latents(kwargs[name])
    return args, {**kwargs, name: small}, small is not kwargs[name]
