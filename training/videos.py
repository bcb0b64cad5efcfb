"""Videos of every class in every motion, encoded once by the VAE, as data of the U-Net and of the motion modules."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL

from evocache.zoo.prompts import BACKGROUNDS, CLASSES, is_held_out
from training import data, vae
from training.distributed import Clock, launch
from training.moving import KINDS, render
from training.paths import CACHE
from training.precision import autocast

PATH = CACHE / "videos.pt"


def index(views: int, seed: int) -> data.Ints:
    """(videos, 3): class, background and motion; every class in every motion `views` times.

    Combinations of class and background that are held out of the pictures are held out here too.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for kind, name in enumerate(CLASSES):
        seen = [ground for ground, background in enumerate(BACKGROUNDS) if not is_held_out(name, background)]
        for motion in range(len(KINDS)):
            rows += [
                (kind, ground, motion) for ground in rng.permutation(np.resize(seen, max(views, len(seen))))[:views]
            ]
    return np.array(rows, np.int64)


def rendered(rows: data.Ints, rng: np.random.Generator) -> Iterator[data.Floats]:
    """A video (frames, 48, 48, 3) for each row of an index."""
    canvas, colours = data.glyphs(), data.palette()
    for kind, ground, motion in rows:
        yield render(canvas[kind], colours[ground], KINDS[motion], rng)


@torch.no_grad()
def encode(model: AutoencoderKL, video: data.Floats) -> torch.Tensor:
    """(frames, 48, 48, 3) in [0, 1] -> latents (frames, channels, 12, 12) as the denoiser sees them, float16."""
    pixels = torch.from_numpy(video).to(model.device).permute(0, 3, 1, 2).contiguous() * 2 - 1
    with autocast(model.device):
        latents = model.encode(pixels).latent_dist.mean
    return (latents.float() * model.config.scaling_factor).half().cpu()


def build(rank: int, world: int, args: argparse.Namespace) -> None:
    """Encode this process's share of the videos; an interrupted share is begun again."""
    rows = index(args.views, seed=5)[rank::world]
    model, clock, encoded = vae.exported().to(args.device), Clock(1), []
    for number, video in enumerate(rendered(rows, np.random.default_rng([6, rank]))):
        encoded.append(encode(model, video))
        if rank == 0 and number % 250 == 0:
            print(f"{number} of {len(rows)} videos encoded, {clock.seconds:.0f}s", flush=True)
    torch.save({"latents": torch.stack(encoded), "rows": torch.from_numpy(rows)}, _share(args.path, rank))


def _share(path: Path, rank: int) -> Path:
    return path.with_suffix(f".{rank}.pt")


def load(path: Path = PATH) -> dict[str, Any]:
    """Latents (videos, frames, channels, 12, 12) as the denoiser sees them; kinds, grounds, motions (videos,)."""
    stored: dict[str, Any] = torch.load(path)
    return stored


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--views", type=int, default=3, help="videos of each class in each motion")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"), help="of the VAE")
    parser.add_argument("--path", type=Path, default=PATH)
    args = parser.parse_args(arguments)
    data.glyphs()  # rendered once, before the processes would all do it
    launch(build, args.processes, args)
    shares = [torch.load(_share(args.path, rank)) for rank in range(args.processes)]
    rows = torch.cat([share["rows"] for share in shares])
    kinds, grounds, motions = rows.unbind(1)
    latents = torch.cat([share["latents"] for share in shares])
    torch.save({"latents": latents, "kinds": kinds, "grounds": grounds, "motions": motions}, args.path)
    for rank in range(args.processes):
        _share(args.path, rank).unlink()


if __name__ == "__main__":
    main()
