"""A denoiser class as a row of the matrix: a tiny configuration, and how pipelines call it."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

Given = dict[str, Any]
"""What a pipeline passes besides latents and time: the same at every step."""

Call = Callable[[nn.Module, torch.Tensor, torch.Tensor, Given], Any]
"""`call(module, latents, t, given)`: the denoiser's output, asked for as its pipelines ask for it."""


def keyword(sample: str = "hidden_states", time: str = "timestep", scale: float = 1.0, **more: Any) -> Call:
    """A call by keyword, with one time for each sample: what most transformers get."""

    def call(module: nn.Module, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
        timestep = t.expand(latents.shape[0]) * scale
        return module(**{sample: latents, time: timestep, **given, **more}, return_dict=False)

    return call


def positional(module: nn.Module, latents: torch.Tensor, t: torch.Tensor, given: Given) -> Any:
    """Latents and a single time by position, the rest by keyword: what most U-Nets get."""
    return module(latents, t, **given, return_dict=False)


BY_KEYWORD = keyword()


@dataclass(frozen=True)
class Recipe:
    """How one denoiser class is built small, and called.

    Attributes:
        name: the class.
        config: arguments of its constructor; at least two blocks of each kind where they allow it.
        latents: shape of the latents.
        given: makes the other arguments, once for each generation.
        blocks: numbered blocks that a run of all blocks consists of, counted by hand.
        skips: skip connections, if it is a U-Net: below each lies a deep part.
        call: how it is called.
        component: its name in the pipelines that use it.
        vocabulary: number of tokens, where latents are tokens.
        module: where the class is, if diffusers itself does not export it.
    """

    name: str
    config: Mapping[str, Any]
    latents: tuple[int, ...]
    given: Callable[[], Given] = dict
    blocks: int = 0
    skips: int = 0
    call: Call = BY_KEYWORD
    component: str = "transformer"
    vocabulary: int = 0
    module: str = "diffusers"

    @property
    def denoiser(self) -> type[nn.Module]:
        """The class."""
        found: type[nn.Module] = getattr(importlib.import_module(self.module), self.name)
        return found


def normal(*shape: int, scale: float = 1.0) -> torch.Tensor:
    """Normal numbers that follow from the shape."""
    generator = torch.Generator().manual_seed(zlib.crc32(repr(shape).encode()))
    return torch.randn(shape, generator=generator) * scale


def grid(*axes: int, columns: int = 0) -> torch.Tensor:
    """Coordinates of the points of a grid, `(points, columns or axes)`: columns in front are zero."""
    points = torch.cartesian_prod(*(torch.arange(n) for n in axes)).reshape(-1, len(axes)).float()
    ahead = max(columns - len(axes), 0)
    return torch.nn.functional.pad(points, (ahead, 0))
