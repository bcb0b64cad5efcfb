"""The pipelines that are measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.sizes.models import sample
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
    made = sample("pixart")
    return Case("PixArt-alpha size, 256x256, bf16", made.pipe, made.run)
