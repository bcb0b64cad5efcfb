"""Evolve a front for a pipeline, pick from it, and use it. Real runs take minutes; this one is as short as can be."""

from __future__ import annotations

import tempfile

import evocache
from evocache import zoo
from evocache.search.optimise.settings import Settings
from evocache.zoo.prompts import sample_prompts


def main() -> None:
    """Evolve for one generation, on two prompts and five steps."""
    pipe = zoo.load("zoo:emoji")
    with tempfile.TemporaryDirectory() as folder:
        front = evocache.evolve(
            pipe,
            sample_prompts(2, seed=0),
            held_out=sample_prompts(2, seed=0, held_out=True),
            call={"num_inference_steps": 5},
            out=folder,
            budget_seconds=20,
            settings=Settings(generations=1, population=8, offspring=4, polish=2, prompts=2, rungs=()),
        )
    point = front.pick(quality=10)
    figures = point.measured
    print(f"{len(front)} points; the fastest from 10 dB on: {figures['speedup']:.2f}x, {figures['quality']:.1f} dB")
    evocache.apply(pipe, point).remove()


if __name__ == "__main__":
    main()
