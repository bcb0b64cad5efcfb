"""The pipeline, its prompts and its seeds: what every contender is measured on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.peers.contender import STEPS, Session
from benchmarks.peers.watch import held_bytes, working
from evocache import zoo
from evocache.zoo.prompts import sample_prompts

Array = npt.NDArray[np.floating[Any]]

OTHER_SEEDS = 10_000
"""First seed of the uncached pictures that Frechet distances are taken to."""


@dataclass(frozen=True)
class Pictures:
    """What a contender generated.

    Attributes:
        latents: (n, channels, height, width).
        images: (n, height, width, 3) in [0, 1].
        multiply_adds: work of the blocks' linear layers and convolutions.
        peak_bytes: most bytes cached at the end of a denoiser call, of a batch.
    """

    latents: Array
    images: Array
    multiply_adds: int
    peak_bytes: int


class Bench:
    """zoo:emoji in float32, and held-out prompts; picture i has seed i.

    Args:
        prompts: how many.
        batch: prompts in one call of the pipeline.
    """

    def __init__(self, prompts: int, batch: int) -> None:
        self.pipe: Any = zoo.load("zoo:emoji")
        self.defaults = dict(zoo.find("zoo:emoji").call_defaults)
        self.prompts = sample_prompts(prompts, seed=0, held_out=True)
        self.calibration_prompts = sample_prompts(batch, seed=1)
        self.batch = batch

    def call(self, session: Session, prompts: list[str], first_seed: int, steps: int, output: str) -> torch.Tensor:
        """One call of the pipeline under what is applied."""
        generators = [torch.Generator().manual_seed(first_seed + i) for i in range(len(prompts))]
        given = {**self.defaults, "num_inference_steps": steps, "output_type": output, "generator": generators}
        with session.around():
            images: torch.Tensor = self.pipe(prompts, **given).images
        return images

    def timed(self, session: Session, steps: int) -> None:
        """One batch from texts to pixels: what is timed."""
        self.call(session, self.prompts[: self.batch], 0, steps, "pt")

    def fingerprint(self) -> torch.Tensor:
        """Latents of a small uncached generation: the same bits as long as the pipeline is what it was."""
        return self.call(Session(), self.calibration_prompts[:2], 0, 3, "latent")

    def all(self, session: Session, steps: int = STEPS, first_seed: int = 0) -> Pictures:
        """Pictures of all prompts, watched."""
        parts, peak = [], 0

        def after(module: Any, args: Any, output: Any) -> None:
            nonlocal peak
            peak = max(peak, held_bytes(session.roots()))

        listener = self.pipe.transformer.register_forward_hook(after)
        try:
            with working(self.pipe.transformer) as work:
                for start in range(0, len(self.prompts), self.batch):
                    part = self.prompts[start : start + self.batch]
                    parts.append(self.call(session, part, first_seed + start, steps, "latent"))
                    peak = max(peak, session.peak() if session.peak else 0)
        finally:
            listener.remove()
        latents = torch.cat(parts)
        return Pictures(latents.numpy(), self._decoded(latents), work.multiply_adds, peak)

    def _decoded(self, latents: torch.Tensor) -> Array:
        vae = self.pipe.vae
        with torch.no_grad():
            pixels = vae.decode(latents / vae.config.scaling_factor).sample
        images: Array = (pixels / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
        return images
