"""Generations of all kinds hold in the end what half of them held."""

from __future__ import annotations

import gc
import random
from typing import Any

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler

from evocache import apply
from evocache.runtime import dry, estimate
from tests.tiny import FAMILIES

SCHEDULERS = (DPMSolverMultistepScheduler, DDIMScheduler, EulerDiscreteScheduler)
PROGRAMS = ("none", "fora:2", "steps:0", "fbcache:0.2")


def held() -> tuple[int, int]:
    """Tensors that are alive, and bytes of their storages."""
    gc.collect()
    alive = [thing for thing in gc.get_objects() if isinstance(thing, torch.Tensor)]
    storages = {t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in alive if not t.is_meta}
    return len(alive), sum(storages.values())


def test_nothing_adds_up_over_generations_and_edits_between_them():
    pipe = FAMILIES["pixart"].build()
    choose = random.Random(0)
    seen: list[tuple[int, int]] = []
    handle: Any = None
    for generation in range(1, 61):
        if handle is None or choose.random() < 0.3:
            program = choose.choice(PROGRAMS)
            budget = "1GB" if choose.random() < 0.15 and "cache" not in program else None
            storage = choose.choice(("none", "bf16"))
            handle = apply(pipe, program, memory=budget, storage=storage)
        if choose.random() < 0.2:
            pipe.scheduler = choose.choice(SCHEDULERS).from_config(pipe.scheduler.config)
        size = choose.choice((32, 64))
        pipe(
            prompt=["a red fox"] * choose.choice((1, 2)),
            num_inference_steps=choose.choice((2, 3)),
            guidance_scale=choose.choice((1.0, 2.0, 4.5)),
            height=size,
            width=size,
            use_resolution_binning=False,
            output_type="latent",
            generator=torch.Generator().manual_seed(generation),
        )
        if generation in (30, 60):
            handle.remove()
            handle = None
            dry._rehearsals.clear()  # bounded, and filling up meanwhile
            estimate._surveys.clear()
            seen.append(held())
    assert seen[0] == seen[1]
