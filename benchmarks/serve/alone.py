"""One request at a time: what the server adds to the plain pipeline, and what a stored result takes."""

from __future__ import annotations

import random
from time import perf_counter
from typing import Any

import httpx
import torch

from benchmarks.serve.server import Server
from benchmarks.timing import summarise, take
from evocache import zoo

MODEL = "zoo:emoji"

BATCH = 3
"""Requests of one round: processor seconds of other processes are counted in hundredths."""


def overhead(server: Server, rounds: int) -> dict[str, Any]:
    """Return processor seconds of the server by those of the plain pipeline, uncached, one request after the other."""
    pipe = zoo.load(MODEL)
    pipe.set_progress_bar_config(disable=True)
    prompts = zoo.find(MODEL).demo_prompts
    seconds: dict[str, list[float]] = {"plain": [], "server": []}
    draw = random.Random(0)

    def plain(seed: int) -> None:
        for at in range(BATCH):
            pipe(prompts[at % len(prompts)], generator=torch.Generator().manual_seed(seed + at))

    with httpx.Client(timeout=120) as client:

        def serve(seed: int) -> None:
            for at in range(BATCH):
                server.generate(client, prompts[at % len(prompts)], seed=seed + at, speedup=1, cache="off")

        plain(0)
        serve(0)
        for number in range(rounds):
            for name in draw.sample(sorted(seconds), 2):
                seed = 1000 + 10 * number
                if name == "plain":
                    seconds[name].append(take(lambda seed=seed: plain(seed)).processors / BATCH)  # type: ignore[misc]
                else:
                    before = server.processors()
                    serve(seed)
                    seconds[name].append((server.processors() - before) / BATCH)
    ratios = [one / other for one, other in zip(seconds["server"], seconds["plain"], strict=True)]
    return {
        "server by plain": summarise(ratios, 3),
        **{f"{name}, processor seconds": summarise(values, 3) for name, values in seconds.items()},
    }


def exact(server: Server, rounds: int) -> dict[str, Any]:
    """Return the milliseconds, by the clock, until a stored result is there."""
    times = []
    with httpx.Client(timeout=120) as client:
        asked = {"prompt": "fox", "seed": 11}
        first = server.generate(client, **asked)
        kinds = set()
        for _ in range(5 * rounds):
            began = perf_counter()
            kinds.add(server.generate(client, **asked)["reuse"])
            times.append(1000 * (perf_counter() - began))
    return {"milliseconds": summarise(times, 2), "first": first["reuse"], "then": sorted(kinds)}
