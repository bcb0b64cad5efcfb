"""Train the judge on degraded renderings, and measure it on clean ones."""

from __future__ import annotations

import argparse
import json
import math

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from evocache.zoo.judge import FOLDER, Judge
from evocache.zoo.prompts import BACKGROUNDS, CLASSES
from training import data
from training.distributed import Clock, FlatModel, launch, save
from training.paths import CACHE
from training.precision import autocast

CHECKPOINT = CACHE / "judge.pt"


def warp(images: Tensor) -> Tensor:
    """Small random scale, rotation and shift of (n, 3, h, w); the border colour goes on outside."""
    n = len(images)
    angle = (torch.rand(n) - 0.5) * 0.35
    scale = 1 + (torch.rand(n) - 0.5) * 0.3
    shift = (torch.rand(n, 2) - 0.5) * 0.12
    cos, sin = angle.cos() * scale, angle.sin() * scale
    rows = torch.stack(
        [
            torch.stack([cos, -sin, shift[:, 0]], 1),
            torch.stack([sin, cos, shift[:, 1]], 1),
        ],
        1,
    )
    grid = functional.affine_grid(rows, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def degrade(images: Tensor) -> Tensor:
    """What a weak decoder does to (n, 3, h, w): blur, lost detail in 4-pixel cells, noise, fade."""
    n = len(images)

    def share(probability: float) -> Tensor:
        return (torch.rand(n, 1, 1, 1) < probability).float() * torch.rand(n, 1, 1, 1)

    blurred = functional.avg_pool2d(functional.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    images = images.lerp(blurred, share(0.5))
    small = functional.interpolate(functional.avg_pool2d(images, 2), scale_factor=2.0, mode="bilinear")
    images = images.lerp(small, share(0.4))
    # Errors of a latent cell are smooth over some pixels, not independent from pixel to pixel.
    coarse = functional.interpolate(torch.randn(n, 3, 12, 12), scale_factor=4.0, mode="bilinear")
    images = images + coarse * 0.12 * share(0.5) + torch.randn_like(images) * 0.12 * share(0.5)
    grey = images.mean((2, 3), keepdim=True)
    images = images.lerp(grey, 0.4 * share(0.3))
    return (images + 0.06 * torch.randn(n, 3, 1, 1) * share(0.5)).clamp(0, 1)


def batch(canvas: data.Floats, rng: np.random.Generator, n: int) -> tuple[Tensor, Tensor, Tensor]:
    images, kinds, grounds, _ = data.random_batch(canvas, rng, n)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    return pixels, torch.from_numpy(kinds), torch.from_numpy(grounds)


def train(rank: int, world: int, args: argparse.Namespace) -> None:
    torch.manual_seed(0)
    judge = Judge(CLASSES, tuple(BACKGROUNDS))
    flat = FlatModel(judge.parameters(), world)
    optimiser = torch.optim.AdamW([flat.flat], lr=1.0, weight_decay=0, fused=True)
    torch.manual_seed(1 + rank)
    rng = np.random.default_rng([11, rank])
    canvas = data.glyphs()
    clock, progress, step = Clock(args.minutes), 0.0, 0
    while progress < 1:
        pixels, kinds, grounds = batch(canvas, rng, args.batch)
        pixels = degrade(warp(pixels))
        with autocast():
            class_logits, background_logits = judge(pixels)
        loss = functional.cross_entropy(class_logits.float(), kinds, label_smoothing=0.05)
        loss = loss + 0.5 * functional.cross_entropy(background_logits.float(), grounds)
        flat.grads.zero_()
        loss.backward()
        progress, _ = flat.reduce(clock.progress, rank, 5.0)
        warm = min(1.0, (step + 1) / 50)
        optimiser.param_groups[0]["lr"] = 3e-3 * warm * (1 + math.cos(math.pi * progress)) / 2
        optimiser.step()
        step += 1
        if rank == 0 and step % 50 == 0:
            right = (class_logits.argmax(1) == kinds).float().mean()
            print(f"{step} {clock.seconds:.0f}s {loss.item():.3f} top1 {right:.3f}", flush=True)
    if rank == 0:
        samples = step * args.batch * world
        save({"model": judge.state_dict(), "samples": samples, "seconds": clock.seconds}, CHECKPOINT)
        export(judge)
        print("clean, warped:", measure(judge.eval(), canvas, 4000))


def export(judge: Judge) -> None:
    """Write the judge's weights and vocabulary into the package."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    config = {"classes": judge.classes, "backgrounds": judge.backgrounds}
    (FOLDER / "config.json").write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    state = {
        name: value.half() if value.is_floating_point() and "running" not in name else value
        for name, value in judge.state_dict().items()
    }
    save_file({name: value.contiguous() for name, value in state.items()}, FOLDER / "model.safetensors")
    (FOLDER / "model.safetensors").chmod(0o644)


@torch.no_grad()
def measure(judge: Judge, canvas: data.Floats, n: int) -> dict[str, float]:
    """Accuracy on renderings as the generator sees them, and on freshly warped ones."""
    pixels, kinds, grounds = batch(canvas, np.random.default_rng(99), n)
    torch.manual_seed(99)
    found = {}
    for name, images in (("clean", pixels), ("warped", warp(pixels))):
        parts = [judge(part) for part in images.split(250)]
        classes = torch.cat([part[0] for part in parts]).argmax(1)
        backgrounds = torch.cat([part[1] for part in parts]).argmax(1)
        found[name] = (classes == kinds).double().mean().item()
        found[f"{name}_background"] = (backgrounds == grounds).double().mean().item()
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--batch", type=int, default=64, help="per process")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args(arguments)
    launch(train, args.processes, args)


if __name__ == "__main__":
    main()
