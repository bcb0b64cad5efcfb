"""Train motion modules in the form of AnimateDiff on the frozen U-Net and text encoder (Guo et al. 2024).

One CPU core trains about 6 videos of 8 frames a second: half of the time goes through the frozen
U-Net, forward and back, for the first motion module stands at its first resnet.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import MotionAdapter, UNet2DConditionModel, UNetMotionModel
from diffusers.models.attention_processor import AttnProcessor
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import CLIPTextModel

from evocache.zoo.motions import FRAMES
from training import clip, unet, videos
from training.distributed import launch
from training.loop import fit, options, restore
from training.moving import KINDS
from training.paths import CACHE
from training.precision import autocast

CHECKPOINT = CACHE / "motion.pt"

#: Drawn twice as often: their single frames are alike, whichever way they go, so that the direction is learned late.
HARD = ("moving left", "moving right", "turning clockwise", "turning counterclockwise")


def build(base: UNet2DConditionModel) -> MotionAdapter:
    """Motion modules that fit a U-Net; they begin as nothing, so the first video is eight pictures."""
    widths = base.config.block_out_channels
    adapter = MotionAdapter(
        block_out_channels=widths,
        motion_layers_per_block=base.config.layers_per_block,
        motion_norm_num_groups=base.config.norm_num_groups,
        motion_num_attention_heads=tuple(width // 32 for width in widths),
        motion_max_seq_length=4 * FRAMES,
        use_motion_mid_block=False,
    )
    for name, module in adapter.named_modules():
        if name.endswith(".proj_out"):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    return adapter


def join(base: UNet2DConditionModel, adapter: MotionAdapter) -> UNetMotionModel:
    """The U-Net for videos, of which only the motion modules learn."""
    model = UNetMotionModel.from_unet2d(base, adapter)
    model.freeze_unet2d_params()
    # Scaled-dot-product kernels are slower than plain products for 8 frames or 144 places on a CPU.
    model.set_attn_processor(AttnProcessor())
    return model


def noise_levels(n: int) -> Tensor:
    """Sigma in (0, 1), (n,): half of them above 0.75, for it is in the noise that the motion is decided.

    At sigma 0.7 a picture already shows where its glyph lies, and the frozen U-Net keeps it there.
    """
    return torch.where(torch.rand(n) < 0.5, 1 - 0.25 * torch.rand(n), torch.sigmoid(torch.randn(n) + 0.5))


def odds(motions: Tensor) -> NDArray[np.float64]:
    """How often each of some videos is drawn, by their motions (videos,): (videos,), sum 1."""
    weights = np.array([2.0 if kind in HARD else 1.0 for kind in KINDS])[motions.cpu().numpy()]
    return weights / weights.sum()


def loss_of(model: nn.Module, states: Tensor, clean: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    """Flow matching on videos (n, frames, channels, 12, 12) with text states (n, tokens, width)."""
    level = sigma[:, None, None, None, None]
    noisy = ((1 - level) * clean + level * noise).transpose(1, 2)
    spread = states.repeat_interleave(clean.shape[1], 0)
    velocity = model(noisy, sigma * 1000, spread, return_dict=False)[0].transpose(1, 2)
    return (velocity.float() - (noise - clean)).square().mean()


def prompt_states(text: CLIPTextModel, tokens: Tensor) -> Tensor:
    """What the frozen text encoder says of prompts (n, TOKENS): (n, TOKENS, width)."""
    with torch.no_grad():
        return torch.cat([text(input_ids=part).last_hidden_state for part in tokens.split(256)])


def train(rank: int, world: int, args: argparse.Namespace) -> None:
    torch.manual_seed(0)
    stored = unet.on(args.device, videos.load(args.videos))
    base, text, _ = unet.load(args.unet)
    tokens, empty = (numbers.to(args.device) for numbers in (clip.caption_tokens(), clip.encode([""])))
    text.to(args.device)
    model = join(base, build(base))
    share = odds(stored["motions"])

    def draw(rng: np.random.Generator) -> tuple[Tensor, ...]:
        rows = torch.from_numpy(rng.choice(len(share), size=args.batch, p=share)).to(args.device)
        clean = stored["latents"][rows].float()
        kinds, grounds, motions = (stored[key][rows] for key in ("kinds", "grounds", "motions"))
        words = unet.drop(tokens[kinds, grounds, motions, unet.templates(kinds)], empty)
        with autocast(args.device):
            states = prompt_states(text, words)
        return states, clean, noise_levels(len(clean)).to(args.device), torch.randn_like(clean)

    def loss(*batch: Tensor) -> Tensor:
        with autocast(args.device):
            return loss_of(model, *batch)

    fit(rank, world, args, (model,), draw, loss)


def load(path: Path = CHECKPOINT, base: Path = unet.CHECKPOINT) -> tuple[MotionAdapter, dict[str, Any]]:
    """(motion modules, {step, samples, seconds}) of the checkpoint."""
    image_model, _, _ = unet.load(base)
    adapter = build(image_model)
    model = join(image_model, adapter)
    facts = restore((model,), path)
    state = {name: value for name, value in model.state_dict().items() if "motion_modules" in name}
    adapter.load_state_dict(state)
    return adapter.requires_grad_(False).eval(), facts


def main(arguments: list[str] | None = None) -> None:
    parser = options(__doc__, minutes=90, batch=16, checkpoint=CHECKPOINT.name)
    parser.add_argument("--videos", type=Path, default=videos.PATH)
    parser.add_argument("--unet", type=Path, default=unet.CHECKPOINT, help="checkpoint of the frozen U-Net")
    args = parser.parse_args(arguments)
    launch(train, args.processes, args)


if __name__ == "__main__":
    main()
