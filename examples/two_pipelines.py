"""Two pipelines that share a denoiser: one accelerated, one not; neither notices the other."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import PixArtAlphaPipeline

import evocache
from evocache import zoo


def main() -> None:
    """Generate with both in turn."""
    first = zoo.load("zoo:emoji")
    scheduler = type(first.scheduler).from_config(first.scheduler.config)
    second = type(first)(**{**first.components, "scheduler": scheduler})
    second.set_progress_bar_config(disable=True)
    call = {"prompt": "cat on a yellow background", "output_type": "np"}

    def image(pipe: PixArtAlphaPipeline) -> np.ndarray:
        return pipe(**call, generator=torch.Generator().manual_seed(0)).images[0]

    before = image(second)
    with evocache.apply(first, "fora:4"):
        changed = image(first)
        untouched = image(second)
    print("the other pipeline is unchanged:", np.array_equal(before, untouched))
    print("mean change of the accelerated one:", float(np.abs(changed - before).mean()))


if __name__ == "__main__":
    main()
