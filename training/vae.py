"""Train the VAE: 48x48 RGB <-> 12x12 latents, 1.6 M parameters."""

from __future__ import annotations

import argparse
import math
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from training import data
from training.distributed import Clock, FlatModel, launch, save
from training.paths import CACHE, WEIGHTS

CHECKPOINT = CACHE / "vae.pt"
LATENT_CHANNELS = 6
KL_WEIGHT = 5e-4


def build() -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(32, 64, 96),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=16,
        sample_size=data.SIZE,
        mid_block_add_attention=False,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def loss_weights(images: Tensor, masks: Tensor) -> Tensor:
    """Per pixel (n, 1, h, w): more inside the glyph, and more where a glyph has little contrast.

    Without it a dark glyph on navy costs almost nothing to lose, and is lost.
    """
    inside = masks[:, None]
    area = inside.sum((2, 3), keepdim=True).clamp(min=1)
    mean = (images * inside).sum((2, 3), keepdim=True) / area
    contrast = ((images - mean).abs() * inside).sum((1, 2, 3), keepdim=True) / (3 * area)
    boost = (contrast.mean() / contrast.clamp(min=0.02)).clamp(0.7, 3.0)
    return 0.5 + 1.5 * inside * boost


def loss_of(vae: AutoencoderKL, images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """(loss, mean squared error) on images (n, 3, h, w) in [-1, 1]."""
    posterior = vae.encode(images).latent_dist
    output = vae.decode(posterior.sample()).sample.float()
    error = output - images
    weight = loss_weights(images, masks)
    wide = weight[..., 1:] * (error[..., 1:] - error[..., :-1]).abs()
    high = weight[..., 1:, :] * (error[..., 1:, :] - error[..., :-1, :]).abs()
    # The factor 4 brings the squared error to the scale of the absolute one.
    fit = (weight * (error.abs() + 4 * error.square())).mean()
    kl = posterior.kl().float().mean() / images[0, 0].numel()
    return fit + 0.5 * (wide.mean() + high.mean()) + KL_WEIGHT * kl, error.square().mean()


def rate(progress: float, step: int, peak: float) -> float:
    """Warm-up of 50 steps, constant to 30 % of the budget, then cosine to 2 %."""
    fall = max(0.0, (progress - 0.3) / 0.7)
    return peak * min(1.0, (step + 1) / 50) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * fall)))


def train(rank: int, world: int, args: argparse.Namespace) -> None:
    torch.manual_seed(0)
    vae = build()
    flat = FlatModel(vae.parameters(), world)
    optimiser = torch.optim.AdamW([flat.flat], lr=1.0, betas=(0.9, 0.98), weight_decay=0, fused=True)
    step, spent = 0, 0.0
    if CHECKPOINT.exists():
        stored: dict[str, Any] = torch.load(CHECKPOINT)
        flat.load(stored["flat"])
        optimiser.load_state_dict(stored["optimiser"])
        step, spent = stored["step"], stored["seconds"]
    torch.manual_seed(1 + rank + 1000 * step)
    rng = np.random.default_rng([rank, step])
    canvas = data.glyphs()
    clock, saved, log = Clock(args.minutes, spent), spent, []
    # Not from the clock: every rank has to take the same decision.
    progress = spent / (args.minutes * 60)
    while progress < 1:
        images, _, _, masks = data.random_batch(canvas, rng, args.batch, odd_colours=0.1)
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous() * 2 - 1
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            loss, mse = loss_of(vae, pixels, torch.from_numpy(masks))
        flat.grads.zero_()
        loss.backward()
        progress, norm = flat.reduce(clock.progress, rank, 1.0)
        optimiser.param_groups[0]["lr"] = rate(progress, step, args.rate)
        optimiser.step()
        step += 1
        flat.update_ema(min(0.998, step / (step + 10)))
        log.append(mse.item())
        if rank == 0 and step % 50 == 0:
            psnr = 10 * math.log10(4 / np.mean(log[-50:]))
            print(
                f"{step} {clock.seconds:.0f}s loss {loss.item():.4f} psnr {psnr:.2f} norm {norm:.2f}",
                flush=True,
            )
        if rank == 0 and (clock.seconds - saved > 90 or progress >= 1):
            saved = clock.seconds
            state = {"flat": flat.state(), "optimiser": optimiser.state_dict()}
            save({**state, "step": step, "seconds": saved, "batch": args.batch * world}, CHECKPOINT)


def load() -> AutoencoderKL:
    """The averaged weights of the checkpoint."""
    vae = build()
    flat = FlatModel(vae.parameters(), 1)
    flat.load(torch.load(CHECKPOINT)["flat"])
    flat.swap_in_ema()
    return vae.requires_grad_(False).eval()


def exported() -> AutoencoderKL:
    """The weights in the package, whose latents all models share."""
    return AutoencoderKL.from_pretrained(WEIGHTS / "emoji" / "vae").float().requires_grad_(False).eval()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=24)
    parser.add_argument("--batch", type=int, default=16, help="per process")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    launch(train, parser.parse_args(arguments).processes, parser.parse_args(arguments))


if __name__ == "__main__":
    main()
