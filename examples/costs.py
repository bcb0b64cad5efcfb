"""What a schedule would cost on a full-size model, counted without its weights or the memory for them."""

from __future__ import annotations

import torch
from diffusers import FluxTransformer2DModel

from evocache import discover
from evocache.model import Probe, Shape, make_example_inputs, probe
from evocache.policies import parse_policy


def main() -> None:
    """FLUX.1-dev at 1024x1024, 20 steps."""
    with torch.device("meta"):
        flux = FluxTransformer2DModel(guidance_embeds=True)
    model = discover(flux)
    measures = probe(model.denoisers[0], (), make_example_inputs(flux, Shape(1024, 1024, text_tokens=512)), repeats=0)
    flops = Probe(model, measures).exclusive("flops")
    for spec in ("none", "fora:2", "fora:3", "steps:0,1,2,4,7,10,13,16"):
        schedule = parse_policy(spec).schedule(model.tree, 20)
        print(f"{spec:26s} {schedule.cost(flops) / 1e12:8.1f} TFLOPs")


if __name__ == "__main__":
    main()
