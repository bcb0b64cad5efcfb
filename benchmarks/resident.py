"""What the process holds over a thousand generations with edits between them.

    python -m benchmarks.resident [--generations 1000]

A tiny pipeline (`tests/tiny`, PixArt) under schedules, gates, budgets and storages that change at random, with random
steps, sizes, batches and guidance, and another scheduler now and then. The resident set is what the system gives the
process; live tensors and their bytes are counted after a garbage collection, with nothing applied.
"""

from __future__ import annotations

import argparse
import gc
import random
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler

from benchmarks.environment import write
from evocache import apply
from evocache.runtime.handle import handle_of
from tests.tiny import FAMILIES

SCHEDULERS = (DPMSolverMultistepScheduler, DDIMScheduler, EulerDiscreteScheduler)
PROGRAMS = ("none", "fora:2", "steps:0", "fbcache:0.2")


def resident() -> int:
    """Bytes of memory that the process has now."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def held() -> dict[str, int]:
    """What is alive now."""
    gc.collect()
    alive = [thing for thing in gc.get_objects() if isinstance(thing, torch.Tensor)]
    storages = {t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in alive if not t.is_meta}
    return {"resident bytes": resident(), "tensors": len(alive), "tensor bytes": sum(storages.values())}


def generate(pipe: Any, choose: random.Random) -> None:
    """One generation, with whatever is changed before it."""
    if handle_of(pipe) is None or choose.random() < 0.3:
        program = choose.choice(PROGRAMS)
        budget = "1GB" if choose.random() < 0.1 and "cache" not in program else None
        apply(pipe, program, memory=budget, storage=choose.choice(("none", "bf16")))
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
        clean_caption=False,
        output_type="latent",
        generator=torch.Generator().manual_seed(0),
    )


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generations", type=int, default=1000)
    generations = parser.parse_args().generations
    torch.set_num_threads(1)
    pipe, choose = FAMILIES["pixart"].build(), random.Random(0)
    seen: dict[int, dict[str, int]] = {}
    for number in range(1, generations + 1):
        generate(pipe, choose)
        if number % max(1, generations // 10) == 0:
            handle = handle_of(pipe)
            assert handle is not None
            handle.remove()
            seen[number] = held()
            print(number, seen[number], flush=True)
    write("resident", {"what": __doc__.split("\n", 1)[0], "after generations": seen})


if __name__ == "__main__":
    main()
