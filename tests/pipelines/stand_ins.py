"""What stands in for parts that a row would be slow to run, or unable to: readers of prompts, large pictures."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from diffusers import ModelMixin
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput

After = Callable[[Any], None]
"""What is done to a built pipeline."""


def says(**methods: Callable[..., Any]) -> After:
    """Replace methods of the pipeline; each is given the pipeline and the arguments."""

    def after(pipe: Any) -> None:
        for name, method in methods.items():
            setattr(pipe, name, _bound(method, pipe))

    return after


def both(*steps: After) -> After:
    """Several things done to a built pipeline, in this order."""

    def after(pipe: Any) -> None:
        for step in steps:
            step(pipe)

    return after


def has(**attributes: Any) -> After:
    """Set attributes of the pipeline, such as the size of its pictures."""

    def after(pipe: Any) -> None:
        for name, value in attributes.items():
            setattr(pipe, name, value)

    return after


def _bound(method: Callable[..., Any], pipe: Any) -> Callable[..., Any]:
    return lambda *args, **kwargs: method(pipe, *args, **kwargs)


class Stub(SimpleNamespace):
    """An object with these attributes, which pipelines register as a component."""


class Thumbnails(ModelMixin, ConfigMixin):
    """An autoencoder whose latents are averages of a picture's tiles, for pipelines that make large ones only."""

    @register_to_config
    def __init__(self, z_dim: int = 16, levels: int = 6) -> None:
        super().__init__()
        self.mix = torch.nn.Linear(3, z_dim)
        self.unmix = torch.nn.Linear(z_dim, 3)
        self.temperal_downsample = [False] * levels
        self.register_to_config(
            latent_channels=z_dim,
            block_out_channels=(1,) * (levels + 1),
            scaling_factor=1.0,
            shift_factor=0.0,
            latents_mean=[0.0] * z_dim,
            latents_std=[1.0] * z_dim,
        )

    def encode(self, pixels: torch.Tensor) -> AutoencoderKLOutput:
        """Average, and mix colours."""
        side = 2**self.config.levels
        tiles = pixels.unflatten(-1, (-1, side)).mean(-1).unflatten(-2, (-1, side)).mean(-2)
        latents = self.mix(tiles.movedim(1, -1)).movedim(-1, 1)
        moments = torch.cat([latents, torch.full_like(latents, -30)], 1)  # all but certain
        return AutoencoderKLOutput(latent_dist=DiagonalGaussianDistribution(moments))

    def decode(self, latents: torch.Tensor, **_: Any) -> tuple[torch.Tensor]:
        """A picture as small as its latents."""
        return (self.unmix(latents.movedim(1, -1)).movedim(-1, 1),)
