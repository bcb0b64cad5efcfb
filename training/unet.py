"""Train the CLIP text encoder and the U-Net together, by flow matching, on pictures and on frames of videos.

One CPU core without bf16 instructions trains about 35 samples a second.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextModel

from evocache.zoo.motions import STILL
from evocache.zoo.prompts import TEMPLATES
from training import clip, data, latents, vae, videos
from training.distributed import launch
from training.dit import noise_levels
from training.loop import fit, options, restore
from training.moving import KINDS
from training.paths import CACHE
from training.precision import autocast

CHECKPOINT = CACHE / "unet.pt"

#: Widths at 12x12, 6x6 and 3x3 latents: as in Stable Diffusion the first level is the narrowest, for it costs the most.
CHANNELS = (64, 96, 128)
GROUPS = 16

#: Share of the samples that are frames of videos, captioned with their motion: the text encoder, which
#: the video model takes over unchanged, learns here what the words of motions look like.
FRAME_SHARE = 0.5
#: Share of the captions left out, for guidance.
DROPPED = 0.1


def build(channels: int, widths: tuple[int, ...] = CHANNELS) -> UNet2DConditionModel:
    """U-Net in the form of Stable Diffusion: all but the deepest level attend to the text."""
    model = UNet2DConditionModel(
        sample_size=12,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=widths,
        down_block_types=("CrossAttnDownBlock2D",) * (len(widths) - 1) + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * (len(widths) - 1),
        layers_per_block=1,
        cross_attention_dim=clip.WIDTH,
        # The name of Stable Diffusion's first version for the number of heads.
        attention_head_dim=tuple(width // 32 for width in widths),
        norm_num_groups=GROUPS,
    )
    # Every branch begins as nothing, so that the depth of the net does not hinder its start.
    for name, module in model.named_modules():
        if name.endswith((".conv2", ".proj_out")) or name == "conv_out":
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    model.set_attn_processor(AttnProcessor())
    return model


def loss_of(
    unet: nn.Module, text: CLIPTextModel, clean: Tensor, tokens: Tensor, sigma: Tensor, noise: Tensor
) -> Tensor:
    """Flow matching on latents (n, channels, 12, 12): predict noise - clean at level sigma (n,).

    As the pipeline of Stable Diffusion does, nothing masks the padding of the prompt.
    """
    states = text(input_ids=tokens).last_hidden_state
    level = sigma[:, None, None, None]
    velocity = unet((1 - level) * clean + level * noise, sigma * 1000, states, return_dict=False)[0]
    return (velocity.float() - (noise - clean)).square().mean()


def frame_odds(frames: int) -> data.Floats:
    """How often each frame of a video is shown, (frames,), sum 1: later ones more often.

    All frames alike, what moves left and what moves right would look the same, and the text encoder,
    which sees single frames only, would have no reason to tell the two apart.
    """
    odds = 2 + np.arange(frames, dtype=np.float32)
    return odds / odds.sum()


def drop(words: Tensor, empty: Tensor) -> Tensor:
    """A share of the prompts (n, TOKENS) becomes the empty one."""
    return torch.where(torch.rand(len(words), 1, device=words.device) < DROPPED, empty, words)


def on(device: torch.device, stored: dict[str, Any]) -> dict[str, Any]:
    """Data of a training, where it trains."""
    return {key: value.to(device) if isinstance(value, Tensor) else value for key, value in stored.items()}


def templates(kinds: Tensor) -> Tensor:
    """A template of captions for each of `kinds`, drawn."""
    return torch.randint(len(TEMPLATES), kinds.shape, device=kinds.device)


def train(rank: int, world: int, args: argparse.Namespace) -> None:
    torch.manual_seed(0)
    still, moving = (on(args.device, part) for part in (latents.load(), videos.load(args.videos)))
    tokens, empty = (numbers.to(args.device) for numbers in (clip.caption_tokens(), clip.encode([""])))
    unet, text = build(still["latents"].shape[1]), clip.build_encoder()
    none, odds = KINDS.index(STILL), frame_odds(moving["latents"].shape[1])

    def draw(rng: np.random.Generator) -> tuple[Tensor, ...]:
        frames = rng.binomial(args.batch, FRAME_SHARE)
        rows = torch.from_numpy(rng.integers(len(still["latents"]), size=args.batch - frames)).to(args.device)
        videos_of = torch.from_numpy(rng.integers(len(moving["latents"]), size=frames)).to(args.device)
        times = torch.from_numpy(rng.choice(len(odds), size=frames, p=odds)).to(args.device)
        clean = torch.cat([still["latents"][rows], moving["latents"][videos_of, times]]).float()
        kinds, grounds = (torch.cat([still[key][rows], moving[key][videos_of]]) for key in ("kinds", "grounds"))
        motions = torch.cat([torch.full_like(rows, none), moving["motions"][videos_of]])
        words = drop(tokens[kinds, grounds, motions, templates(kinds)], empty)
        return clean, words, noise_levels(len(clean)).to(args.device), torch.randn_like(clean)

    def loss(*batch: Tensor) -> Tensor:
        with autocast(args.device):
            return loss_of(unet, text, *batch)

    fit(rank, world, args, (unet, text), draw, loss)


def load(path: Path = CHECKPOINT, *, averaged: bool = True) -> tuple[Any, Any, dict[str, Any]]:
    """(U-Net, text encoder, {step, samples, seconds}) of the checkpoint."""
    unet, text = build(vae.exported().config.latent_channels), clip.build_encoder()
    facts = restore((unet, text), path, averaged=averaged)
    return unet, text, facts


def main(arguments: list[str] | None = None) -> None:
    parser = options(__doc__, minutes=120, batch=64, checkpoint=CHECKPOINT.name)
    parser.add_argument("--videos", type=Path, default=videos.PATH)
    args = parser.parse_args(arguments)
    launch(train, args.processes, args)


if __name__ == "__main__":
    main()
