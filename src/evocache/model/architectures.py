"""Well-known denoisers in their published sizes, to count what they cost: no weights, no download, no pipeline.

Nothing else in the library knows a model by its name. Numbers are those of the published configs; what is not named has
the default of the diffusers class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import nn

from ..errors import PipelineError
from .discover import Model, describe_denoiser
from .example_inputs import Shape, make_example_inputs
from .probe import Probe, probe

PREFIX = "arch:"
"""What names of architectures begin with, on the command line and in errors."""


@dataclass(frozen=True)
class Architecture:
    """A denoiser in its published size, and the call that it is made for.

    Attributes:
        name: without the prefix.
        denoiser: what pipelines call it.
        cls: its class in diffusers.
        shape: of a denoiser call; guidance in one batch makes it two samples.
        steps: usual number of denoising steps.
        config: arguments of the class, where they are not its defaults.
    """

    name: str
    denoiser: str
    cls: str
    shape: Shape
    steps: int
    config: Mapping[str, Any] = field(default_factory=dict)

    def module(self, device: str | torch.device = "meta", dtype: torch.dtype = torch.bfloat16) -> nn.Module:
        """Build the denoiser: weights are random, or none at all on the `meta` device; it is never held in float32."""
        import diffusers

        usual = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            with torch.device(device):
                made: nn.Module = getattr(diffusers, self.cls)(**self.config)
        finally:
            torch.set_default_dtype(usual)
        # Some parameters are made on the CPU whatever the device; the class's own `to` warns where it keeps float32.
        return nn.Module.to(made, device, dtype).eval()

    def model(self, dtype: torch.dtype = torch.bfloat16) -> Model:
        """Build the model of its components, without weights."""
        return Model((describe_denoiser(self.denoiser, self.module(dtype=dtype)),))

    def shaped(self, **changes: Any) -> Architecture:
        """Return the same for another call: `height`, `width` (pixels), `batch`, `text_tokens`, `frames` (of latents).

        Raises:
            PipelineError: if a shape has no such number, or it is none.
        """
        known = [f.name for f in fields(Shape)]
        for name, value in changes.items():
            if name not in known:
                mend = f"set one of {', '.join(known)}"
                raise PipelineError(f"{name} of {PREFIX}{self.name}", "a number of its call's shape", mend)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise PipelineError(
                    f"{name} {value!r}", "a whole number of at least 1", f"write {name}=512 or the like"
                )
        return replace(self, shape=replace(self.shape, **changes))

    def probe(self, dtype: torch.dtype = torch.bfloat16) -> Probe:
        """Find shapes, bytes and FLOPs of its components for one denoiser call; nothing is computed, nothing timed.

        Raises:
            PipelineError: if it cannot be called with such shapes.
        """
        model = self.model(dtype)
        (denoiser,) = model.denoisers
        try:
            measures = probe(denoiser, (), make_example_inputs(denoiser.module, self.shape), repeats=0)
        except (RuntimeError, ValueError) as error:
            shown = ", ".join(f"{f.name} {getattr(self.shape, f.name)}" for f in fields(Shape))
            first = str(error).strip().partition("\n")[0]
            raise PipelineError(
                f"{PREFIX}{self.name} with {shown}", "shapes that fit it", f"it raised: {first}"
            ) from error
        return Probe(model, measures)


def _pixart(name: str, pixels: int, tokens: int, **config: Any) -> Architecture:
    """The embedded size and aspect ratio, of the first 1024-pixel model are left out: they cost nothing."""
    sizes = {"sample_size": pixels // 8, "num_layers": 28, "in_channels": 4, "out_channels": 8}
    widths = {"caption_channels": 4096, "cross_attention_dim": 1152}
    shape = Shape(pixels, pixels, batch=2, text_tokens=tokens)
    return Architecture(name, "transformer", "PixArtTransformer2DModel", shape, 20, {**sizes, **widths, **config})


def _flux(name: str, pixels: int) -> Architecture:
    shape = Shape(pixels, pixels, text_tokens=512)
    return Architecture(name, "transformer", "FluxTransformer2DModel", shape, 20, {"guidance_embeds": True})


_SDXL = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}

_WAN = {"num_attention_heads": 12, "attention_head_dim": 128, "num_layers": 30, "ffn_dim": 8960}

ARCHITECTURES = {
    made.name: made
    for made in (
        _pixart("pixart-alpha-256", 256, 120),
        _pixart("pixart-alpha-1024", 1024, 120, interpolation_scale=2, use_additional_conditions=False),
        _pixart("pixart-sigma-256", 256, 300),
        _flux("flux-dev-256", 256),
        _flux("flux-dev-1024", 1024),
        Architecture(
            "sd15-512", "unet", "UNet2DConditionModel", Shape(512, 512, batch=2), 50, {"cross_attention_dim": 768}
        ),
        Architecture("sdxl-1024", "unet", "UNet2DConditionModel", Shape(1024, 1024, batch=2), 50, _SDXL),
        Architecture(
            "wan21-1.3b-480p",
            "transformer",
            "WanTransformer3DModel",
            Shape(480, 832, text_tokens=512, frames=21),
            50,
            _WAN,
        ),
    )
}
"""By name. Guidance is in one batch (PixArt, Stable Diffusion), in the weights (FLUX.1), or a second call (Wan)."""


def find_architecture(name: str) -> Architecture:
    """Return an architecture by its name, with or without the prefix.

    Raises:
        PipelineError: if there is none of that name.
    """
    found = ARCHITECTURES.get(name.removeprefix(PREFIX))
    if found is None:
        known = ", ".join(PREFIX + known for known in ARCHITECTURES)
        raise PipelineError(f"architecture {name!r}", f"one of {known}", "check the spelling, or name a pipeline")
    return found
