"""The pipelines that are measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, PixArtAlphaPipeline, PixArtTransformer2DModel

from evocache import zoo
from evocache.zoo.prompts import sample_prompts


@dataclass(frozen=True)
class Case:
    """A pipeline and how one generation is run: `run(steps)` returns the images or latents."""

    name: str
    pipe: Any
    run: Callable[[int], torch.Tensor]


def emoji(batch: int) -> Case:
    """zoo:emoji at a batch size: trained weights, text encoding and decoding included."""
    pipe = zoo.load("zoo:emoji")
    defaults = {**zoo.find("zoo:emoji").call_defaults, "output_type": "pt"}
    prompts = sample_prompts(batch, seed=0)

    def run(steps: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        return pipe(prompts, generator=generator, **{**defaults, "num_inference_steps": steps}).images

    return Case(f"zoo:emoji, batch {batch}", pipe, run)


def pixart_alpha() -> Case:
    """A random-weight transformer of PixArt-alpha's size (610 M parameters), 256x256, bf16, latents out."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    transformer = PixArtTransformer2DModel(
        sample_size=32, num_layers=28, caption_channels=4096, in_channels=4, out_channels=8, cross_attention_dim=1152
    ).eval()
    vae = AutoencoderKL(
        block_out_channels=(32, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
    ).eval()
    torch.set_default_dtype(torch.float32)
    pipe = PixArtAlphaPipeline(None, None, vae, transformer, DPMSolverMultistepScheduler())
    pipe.set_progress_bar_config(disable=True)
    embeds, mask = torch.randn(2, 1, 120, 4096, dtype=torch.bfloat16), torch.ones(1, 120)

    def run(steps: int) -> torch.Tensor:
        return pipe(
            prompt=None,
            negative_prompt=None,
            prompt_embeds=embeds[0],
            prompt_attention_mask=mask,
            negative_prompt_embeds=embeds[1],
            negative_prompt_attention_mask=mask,
            height=256,
            width=256,
            num_inference_steps=steps,
            use_resolution_binning=False,
            generator=torch.Generator().manual_seed(0),
            output_type="latent",
        ).images

    return Case("PixArt-alpha size, 256x256, bf16", pipe, run)
