"""Tiny pipelines worth compiling in a test, and what dynamo counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DiffusionPipeline, UNet2DConditionModel
from torch._dynamo.utils import counters

from tests.tiny import FAMILIES
from tests.tiny.base import wake


def pixart() -> DiffusionPipeline:
    """PixArt with two blocks."""
    pipe = FAMILIES["pixart"].build()
    pipe.transformer.transformer_blocks = pipe.transformer.transformer_blocks[:2]
    return pipe


def flux() -> DiffusionPipeline:
    """FLUX.1 with a double block and two single ones."""
    pipe = FAMILIES["flux"].build()
    pipe.transformer.transformer_blocks = pipe.transformer.transformer_blocks[:1]
    pipe.transformer.single_transformer_blocks = pipe.transformer.single_transformer_blocks[:2]
    return pipe


def sd() -> DiffusionPipeline:
    """Stable Diffusion with two levels of one layer."""
    pipe = FAMILIES["sd15"].build()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pipe.unet = UNet2DConditionModel(
            sample_size=16,
            block_out_channels=(8, 16),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            layers_per_block=1,
            cross_attention_dim=32,
            attention_head_dim=2,
            norm_num_groups=4,
        ).eval()
        wake(pipe.unet)
    return pipe


@dataclass
class Counts:
    """What dynamo did while something ran: graphs that were compiled, breaks in them."""

    graphs: int = 0
    breaks: int = 0


@contextmanager
def dynamo() -> Iterator[Counts]:
    """Count graphs and breaks."""
    counters.clear()
    counts = Counts()
    yield counts
    counts.graphs = counters["stats"]["unique_graphs"]
    counts.breaks = sum(counters["graph_break"].values())


def whole(pipe: Any, name: str, **options: Any) -> None:
    """`pipe.transformer.compile()`."""
    getattr(pipe, name).compile(**options)


def wrapped(pipe: Any, name: str, **options: Any) -> None:
    """`pipe.transformer = torch.compile(pipe.transformer)`."""
    setattr(pipe, name, torch.compile(getattr(pipe, name), **options))


def blocks(pipe: Any, name: str, **options: Any) -> None:
    """`pipe.transformer.compile_repeated_blocks()`."""
    getattr(pipe, name).compile_repeated_blocks(**options)
