"""Accelerate a pipeline, look at what it saved, undo it."""

from __future__ import annotations

import torch

import evocache
from evocache import zoo


def main() -> None:
    """Generate one image uncached and one under FORA."""
    pipe = zoo.load("zoo:emoji")  # or any diffusers pipeline: DiffusionPipeline.from_pretrained(...)
    prompt = "red heart on a light blue background"

    uncached = pipe(prompt, generator=torch.Generator().manual_seed(0)).images[0]
    with evocache.apply(pipe, "fora:3") as handle:
        cached = pipe(prompt, generator=torch.Generator().manual_seed(0)).images[0]
        stats = handle.stats
    print(f"{stats.executed_fraction:.0%} of the components executed, {stats.peak_cached_bytes:,} bytes cached at most")
    print(f"images of {uncached.size} and {cached.size} pixels")


if __name__ == "__main__":
    main()
