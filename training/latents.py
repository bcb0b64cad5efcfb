"""Every trained combination, encoded once by the VAE, as the diffusion model's data."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch

from evocache.zoo.prompts import BACKGROUNDS, CLASSES, is_held_out
from training import data, vae
from training.paths import CACHE
from training.precision import autocast

PATH = CACHE / "latents.pt"


def build(views: int) -> None:
    """`views` shifted placements, each flipped and not, of every combination not held out."""
    torch.set_num_threads(2)
    model = vae.load() if vae.CHECKPOINT.exists() else vae.exported()
    canvas, colours = data.glyphs(), data.palette()
    rng = np.random.default_rng(5)
    pairs = [
        (kind, ground)
        for kind, name in enumerate(CLASSES)
        for ground, background in enumerate(BACKGROUNDS)
        if not is_held_out(name, background)
    ]
    kinds = np.repeat([kind for kind, _ in pairs], 2 * views)
    grounds = np.repeat([ground for _, ground in pairs], 2 * views)
    flips = np.tile([False, True], len(pairs) * views)
    shifts = rng.integers(-data.SHIFT, data.SHIFT + 1, size=(len(kinds), 2))
    encoded = []
    for start in range(0, len(kinds), 128):
        part = slice(start, start + 128)
        images = data.compose(canvas[kinds[part]], colours[grounds[part]], flips[part], shifts[part])
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous() * 2 - 1
        with torch.no_grad(), autocast():
            encoded.append(model.encode(pixels).latent_dist.mean.float())
        if start % 3200 == 0:
            print(f"{start} of {len(kinds)} encoded", flush=True)
    latents = torch.cat(encoded)
    # The flow is from unit noise: the data has to have unit variance as a whole.
    factor = 1 / latents.std().item()
    print("mean, std per channel:", latents.mean((0, 2, 3)), latents.std((0, 2, 3)), factor)
    state = {
        "latents": (latents * factor).half(),
        "kinds": torch.from_numpy(kinds),
        "grounds": torch.from_numpy(grounds),
        "scaling_factor": factor,
    }
    torch.save(state, PATH)


def load() -> dict[str, Any]:
    """Latents (n, channels, 12, 12) times scaling_factor, kinds (n,), grounds (n,)."""
    stored: dict[str, Any] = torch.load(PATH)
    return stored


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--views", type=int, default=4)
    build(parser.parse_args(arguments).views)


if __name__ == "__main__":
    main()
