"""Example inputs for a bare denoiser, from its configuration: what counting FLOPs without a pipeline needs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..errors import PipelineError


@dataclass(frozen=True)
class Shape:
    """What is generated: image height and width in pixels, batch, frames, and the length of the prompt in tokens."""

    height: int
    width: int
    batch: int = 1
    text_tokens: int = 77
    frames: int = 1
    pixels_per_latent: int = 8


def make_example_inputs(module: nn.Module, shape: Shape) -> dict[str, Any]:
    """Make keyword arguments for a forward, on the module's device and in its type (`meta` included).

    They are made from the names in the forward's signature and the values in the module's configuration. Latents that
    the signature takes as tokens (FLUX) are packed two by two.

    Raises:
        PipelineError: if a required argument is unknown; capture the call of a real pipeline then.
    """
    config = dict(getattr(module, "config", {}))
    parameter = next(module.parameters())
    make = _Maker(config, shape, parameter.device, parameter.dtype)
    out: dict[str, Any] = {}
    for name, argument in list(inspect.signature(type(module).forward).parameters.items())[1:]:
        rule = _RULES.get(name)
        value = rule(make) if rule else None
        if value is not None:
            out[name] = value
        elif argument.default is inspect.Parameter.empty and argument.kind is not inspect.Parameter.VAR_KEYWORD:
            raise PipelineError(
                f"argument {name!r} of {type(module).__name__}",
                f"arguments among {', '.join(_RULES)}",
                "probe it through its pipeline, with probe_pipeline",
            )
    return out


@dataclass(frozen=True)
class _Maker:
    config: dict[str, Any]
    shape: Shape
    device: torch.device
    dtype: torch.dtype

    @property
    def tokenised(self) -> bool:
        """Whether latents come as packed tokens: rotary position ids are built from their coordinates."""
        return "axes_dims_rope" in self.config

    @property
    def grid(self) -> tuple[int, int]:
        """Latent height and width."""
        return self.shape.height // self.shape.pixels_per_latent, self.shape.width // self.shape.pixels_per_latent

    def zeros(self, *size: int, dtype: torch.dtype | None = None) -> torch.Tensor:
        return torch.zeros(size, device=self.device, dtype=dtype or self.dtype)

    def width_of(self, *names: str) -> int | None:
        found = [self.config[n] for n in names if isinstance(self.config.get(n), int)]
        return found[0] if found else None

    def latents(self) -> torch.Tensor:
        height, width = self.grid
        channels = self.config["in_channels"]
        if self.tokenised:
            return self.zeros(self.shape.batch, height * width // 4, channels)
        if self.shape.frames > 1:
            return self.zeros(self.shape.batch, channels, self.shape.frames, height, width)
        return self.zeros(self.shape.batch, channels, height, width)

    def text(self) -> torch.Tensor | None:
        names = ("caption_channels", "joint_attention_dim", "cross_attention_dim", "text_embed_dim", "text_dim")
        width = self.width_of(*names)
        return self.zeros(self.shape.batch, self.shape.text_tokens, width) if width else None

    def pooled(self) -> torch.Tensor | None:
        width = self.width_of("pooled_projection_dim")
        return self.zeros(self.shape.batch, width) if width else None

    def timestep(self) -> torch.Tensor:
        return self.zeros(self.shape.batch, dtype=torch.float32)

    def guidance(self) -> torch.Tensor | None:
        return self.zeros(self.shape.batch) if self.config.get("guidance_embeds") else None

    def positions(self, count: int) -> torch.Tensor:
        return self.zeros(count, len(self.config["axes_dims_rope"]))

    def added(self) -> dict[str, Any] | None:
        if self.config.get("addition_embed_type") == "text_time":
            time = self.zeros(self.shape.batch, 6)
            width = self.config["projection_class_embeddings_input_dim"] - 6 * self.config["addition_time_embed_dim"]
            return {"text_embeds": self.zeros(self.shape.batch, width), "time_ids": time}
        return {"resolution": None, "aspect_ratio": None} if "caption_channels" in self.config else None


_RULES: dict[str, Callable[[_Maker], Any]] = {
    "hidden_states": _Maker.latents,
    "sample": _Maker.latents,
    "encoder_hidden_states": _Maker.text,
    "pooled_projections": _Maker.pooled,
    "timestep": _Maker.timestep,
    "guidance": _Maker.guidance,
    "img_ids": lambda make: make.positions(make.grid[0] * make.grid[1] // 4),
    "txt_ids": lambda make: make.positions(make.shape.text_tokens),
    "added_cond_kwargs": _Maker.added,
}
