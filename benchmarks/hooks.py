"""What it costs to look after components, and to apply something: the library's own time, without the model's.

    python -m benchmarks.hooks [--rounds 30]

A transformer of 57 blocks whose 171 leaves return a ready tensor, so that a denoiser call takes little but Python's
time; one call is timed untouched and under schedules of 57 leaves and of all 171, in turn, by the processor time of
this process, and the quickest of all rounds counts, since whatever else the machine does can only add to it. What two
thirds of the leaves more add, divided by their number, is what one more leaf takes beyond an untouched one; on average
all counts that a call takes longer. Leaves compute and are stored, are reused one step or the second to fourth step
after, or are forecast (two operations on tensors included). Every schedule is applied once a round, and its second
generation counts. `apply` is timed on FLUX.1's 19 + 38 blocks without weights.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from typing import Any

import diffusers as d
import torch

from benchmarks.environment import write
from benchmarks.timing import summarise
from evocache import apply, discover
from evocache.schedule import REUSE, Action, forecast, uniform

BLOCKS, STEPS = 57, 20

FEW = 57
"""Leaves of the smaller schedules: one in each block."""

Counts = Callable[[int], bool]

CASES: dict[str, tuple[int, Action, Counts]] = {
    "stored": (2, REUSE, lambda step: step > 1 and step % 2 == 0),
    "reused": (2, REUSE, lambda step: step > 1 and step % 2 == 1),
    "reused again": (5, REUSE, lambda step: step % 5 in (2, 3, 4)),
    "forecast": (4, forecast(1), lambda step: step > 8 and step % 4 != 0),
}
"""By what a leaf does: the interval of computed steps, what is done between, and the steps at which leaves do so."""

SPECS = ("fora:2", "taylorseer:4,2", "fbcache:0.1", "teacache:0.2")
"""What is applied to FLUX.1."""


class Loop(d.DiffusionPipeline):
    """Denoises without anything around it, and takes the time of each denoiser call."""

    def __init__(self, transformer: Any, scheduler: Any) -> None:
        super().__init__()
        self.register_modules(transformer=transformer, scheduler=scheduler)

    @torch.no_grad()
    def __call__(self, num_inference_steps: int = STEPS) -> list[float]:
        """Seconds of each call."""
        self.scheduler.set_timesteps(num_inference_steps)
        latents, words = torch.zeros(1, 4, 4, 4), torch.zeros(1, 3, 8)
        size = {"resolution": None, "aspect_ratio": None}
        taken = []
        for moment in self.scheduler.timesteps:
            began = time.process_time()
            noise = self.transformer(latents, words, moment[None], added_cond_kwargs=size, return_dict=False)[0]
            taken.append(time.process_time() - began)
            latents = self.scheduler.step(noise[:, :4], moment, latents, return_dict=False)[0]
        return taken


def returning(ready: torch.Tensor) -> Callable[..., torch.Tensor]:
    """A function of anything that returns this."""
    return lambda *_, **__: ready


def hollow() -> Loop:
    """A transformer whose attention and feed-forward layers compute nothing."""
    transformer = d.PixArtTransformer2DModel(
        num_attention_heads=1,
        attention_head_dim=8,
        in_channels=4,
        out_channels=4,
        num_layers=BLOCKS,
        cross_attention_dim=8,
        sample_size=4,
        patch_size=2,
        caption_channels=8,
    )
    for block in transformer.transformer_blocks:
        for leaf in (block.attn1, block.attn2, block.ff):
            leaf.forward = returning(torch.zeros(1, 4, 8))
    return Loop(transformer.eval(), d.DDIMScheduler())


def leaves(rounds: int) -> dict[str, dict[str, float]]:
    """Microseconds of a leaf by what it does: on average of all, and of one more."""
    pipe = hollow()
    tree = discover(pipe).tree
    ids = [c.id for c in tree if c.is_leaf]
    some = ids[:: len(ids) // FEW]
    least: dict[object, float] = {"untouched": math.inf}
    for _ in range(rounds):
        taken = pipe()
        least["untouched"] = min(least["untouched"], *taken[2:])
        for name, (interval, between, counts) in CASES.items():
            for chosen in (some, ids):
                with apply(pipe, uniform(tree, STEPS, chosen, range(0, STEPS, interval), between)):
                    pipe()
                    taken = [seconds for step, seconds in enumerate(pipe()) if counts(step)]
                key = name, len(chosen)
                least[key] = min(least.get(key, math.inf), *taken)
    found = {}
    for name in CASES:
        few, all_ = ((least[name, len(chosen)] - least["untouched"]) * 1e6 for chosen in (some, ids))
        more = (all_ - few) / (len(ids) - len(some))
        found[name] = {"on average": round(all_ / len(ids), 3), "one more": round(more, 3)}
    return found


def applying(rounds: int) -> dict[str, Any]:
    """Seconds that `apply` takes on FLUX.1, by what is applied."""
    with torch.device("meta"):
        transformer = d.FluxTransformer2DModel(guidance_embeds=True)
    others = dict.fromkeys(("vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"))
    pipe = d.FluxPipeline(scheduler=d.FlowMatchEulerDiscreteScheduler(), transformer=transformer, **others)
    samples: dict[str, list[float]] = {spec: [] for spec in SPECS}
    for _ in range(rounds):
        for spec in SPECS:
            began = time.process_time()
            handle = apply(pipe, spec)
            samples[spec].append(time.process_time() - began)
            handle.remove()
    return {spec: summarise(found) for spec, found in samples.items()}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    found = {"microseconds a leaf": leaves(rounds), "seconds to apply to FLUX.1": applying(rounds)}
    print(found)
    write("hooks", {"what": __doc__.split("\n", 1)[0], "blocks": BLOCKS, "rounds": rounds, **found})


if __name__ == "__main__":
    main()
