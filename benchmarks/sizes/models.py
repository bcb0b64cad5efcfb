"""Pipelines of published sizes and random weights, without text encoders and decoders: prompts are given as embeddings.

The classes and sizes are those of `evocache.model.architectures`; `tiny` ones have the same classes and a few thousand
weights, to try the benchmark itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import diffusers as d
import torch

from evocache.model.architectures import ARCHITECTURES, Architecture


@dataclass(frozen=True)
class Sized:
    """A pipeline in its full size.

    Attributes:
        architecture: name of its denoiser's.
        pipeline: makes the pipeline of the denoiser.
        prompt: arguments of its call that say what is wanted, given a function that makes random embeddings.
        tiny: what differs in the configuration of a tiny one.
    """

    architecture: str
    pipeline: Callable[[Any], Any]
    prompt: Callable[[Architecture, Callable[..., torch.Tensor]], dict[str, Any]]
    tiny: Mapping[str, Any]


@dataclass(frozen=True)
class Sample:
    """A pipeline and how it is called."""

    name: str
    pipe: Any
    call: Mapping[str, Any]

    @property
    def denoiser(self) -> Any:
        """Its denoiser."""
        return self.pipe.unet if hasattr(self.pipe, "unet") else self.pipe.transformer

    def run(self, steps: int) -> torch.Tensor:
        """Latents of one generation."""
        given = {"num_inference_steps": steps, "output_type": "latent", "return_dict": False, **self.call}
        latents: torch.Tensor = self.pipe(**given, generator=torch.Generator().manual_seed(0))[0]
        return latents


def _pixart_prompt(arch: Architecture, random: Callable[..., torch.Tensor]) -> dict[str, Any]:
    tokens, width = arch.shape.text_tokens, arch.config["caption_channels"]
    mask = torch.ones_like(random(1, tokens))
    embeds = {"prompt_embeds": random(1, tokens, width), "negative_prompt_embeds": random(1, tokens, width)}
    masks = {"prompt_attention_mask": mask, "negative_prompt_attention_mask": mask}
    return {**embeds, **masks, "negative_prompt": None, "use_resolution_binning": False}


def _stable_diffusion_prompt(arch: Architecture, random: Callable[..., torch.Tensor]) -> dict[str, Any]:
    tokens, width = arch.shape.text_tokens, arch.config["cross_attention_dim"]
    return {"prompt_embeds": random(1, tokens, width), "negative_prompt_embeds": random(1, tokens, width)}


def _sdxl_prompt(arch: Architecture, random: Callable[..., torch.Tensor]) -> dict[str, Any]:
    width = arch.config["projection_class_embeddings_input_dim"] - 6 * arch.config["addition_time_embed_dim"]
    pooled = {"pooled_prompt_embeds": random(1, width), "negative_pooled_prompt_embeds": random(1, width)}
    return {**_stable_diffusion_prompt(arch, random), **pooled}


def _flux_prompt(arch: Architecture, random: Callable[..., torch.Tensor]) -> dict[str, Any]:
    tokens, width = arch.shape.text_tokens, arch.config.get("joint_attention_dim", 4096)
    pooled = random(1, arch.config.get("pooled_projection_dim", 768))
    return {"prompt_embeds": random(1, tokens, width), "pooled_prompt_embeds": pooled}


def _wan_prompt(arch: Architecture, random: Callable[..., torch.Tensor]) -> dict[str, Any]:
    tokens, width = arch.shape.text_tokens, arch.config.get("text_dim", 4096)
    embeds = {"prompt_embeds": random(1, tokens, width), "negative_prompt_embeds": random(1, tokens, width)}
    return {**embeds, "num_frames": 4 * (arch.shape.frames - 1) + 1}


def _wan(transformer: Any) -> Any:
    scheduler = d.UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    return d.WanPipeline(None, None, None, scheduler, transformer)


def _sd_scheduler() -> Any:
    return d.DPMSolverMultistepScheduler(steps_offset=1, beta_schedule="scaled_linear")


MODELS = {
    "pixart": Sized(
        "pixart-alpha-256",
        lambda denoiser: d.PixArtAlphaPipeline(None, None, None, denoiser, d.DPMSolverMultistepScheduler()),
        _pixart_prompt,
        {"num_layers": 3, "num_attention_heads": 2, "attention_head_dim": 8, "cross_attention_dim": 16}
        | {"caption_channels": 16},
    ),
    "sd15": Sized(
        "sd15-512",
        lambda denoiser: d.StableDiffusionPipeline(
            None, None, None, denoiser, _sd_scheduler(), None, None, requires_safety_checker=False
        ),
        _stable_diffusion_prompt,
        {"block_out_channels": (32, 32, 64, 64), "cross_attention_dim": 16},
    ),
    "sdxl": Sized(
        "sdxl-1024",
        lambda denoiser: d.StableDiffusionXLPipeline(
            None, None, None, None, None, denoiser, d.EulerDiscreteScheduler(), add_watermarker=False
        ),
        _sdxl_prompt,
        {"block_out_channels": (32, 32, 64), "cross_attention_dim": 16, "attention_head_dim": 4}
        | {
            "transformer_layers_per_block": 1,
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 64,
        },
    ),
    "flux": Sized(
        "flux-dev-1024",
        lambda denoiser: d.FluxPipeline(d.FlowMatchEulerDiscreteScheduler(), None, None, None, None, None, denoiser),
        _flux_prompt,
        {"num_layers": 1, "num_single_layers": 2, "num_attention_heads": 2, "attention_head_dim": 16}
        | {"axes_dims_rope": (4, 4, 8), "joint_attention_dim": 16, "pooled_projection_dim": 16},
    ),
    "wan": Sized(
        "wan21-1.3b-480p",
        _wan,
        _wan_prompt,
        {"num_layers": 3, "num_attention_heads": 2, "attention_head_dim": 12, "ffn_dim": 32, "text_dim": 16},
    ),
}
"""PixArt-alpha, SD1.5, SDXL, FLUX.1-dev and Wan 2.1 of 1.3 billion parameters."""


def sample(name: str, *, tiny: bool = False, device: str = "cpu", dtype: torch.dtype = torch.bfloat16) -> Sample:
    """A pipeline of `MODELS`, with the same random weights each time.

    Args:
        name: its key.
        tiny: a few thousand weights and an output of 64x64 pixels instead of the full size.
        device: where it runs.
        dtype: of its weights.
    """
    sized = MODELS[name]
    arch = ARCHITECTURES[sized.architecture]
    if tiny:
        shape = replace(arch.shape, height=64, width=64, text_tokens=8, frames=min(arch.shape.frames, 2))
        arch = replace(arch, config={**arch.config, **sized.tiny}, shape=shape)
    torch.manual_seed(0)
    pipe = sized.pipeline(arch.module(device, dtype))
    pipe.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(1)

    def random(*size: int) -> torch.Tensor:
        return torch.randn(*size, generator=generator).to(device, dtype)

    call = {"height": arch.shape.height, "width": arch.shape.width, **sized.prompt(arch, random)}
    label = "tiny" if tiny else f"{arch.shape.width}x{arch.shape.height}"
    return Sample(f"{name}, {label}, {str(dtype).removeprefix('torch.')}", pipe, call)
