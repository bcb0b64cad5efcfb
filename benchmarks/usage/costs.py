"""`python -m benchmarks.usage.costs`: what a learning cache itself costs, in time and bytes."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Callable
from statistics import median, quantiles

import numpy as np

from evocache import LearningCache, cached
from evocache.usage.demand.compiled import compile_now
from evocache.usage.demand.scored import Scored
from evocache.usage.demand.weights import Weights
from evocache.usage.learn.adaptive import Adaptive
from evocache.usage.learn.replay import Window, replay
from evocache.usage.learn.settings import Settings
from evocache.usage.policies.policy import Item
from evocache.usage.policies.registry import POLICIES
from evocache.usage.policies.simulate import simulate

from ..environment import write
from .workloads import people

ROUNDS = 7
CALLS = 20_000
SECRET = b"benchmark secret" * 2
RATE = 100
"""Requests a second of which learning is said to take a part of a core."""


def spread(values: list[float]) -> dict[str, float]:
    """Return the median and the middle half."""
    low, _, high = quantiles(values, n=4, method="inclusive")
    return {"median": median(values), "low": low, "high": high}


def microseconds(call: Callable[[], object]) -> float:
    """Return what a call takes of the processor, on average of 20,000."""
    began = time.process_time()
    for _ in range(CALLS):
        call()
    return (time.process_time() - began) / CALLS * 1e6


def hits() -> dict[str, dict[str, float]]:
    """Return microseconds of a look-up in a dict, and of hits, in rounds one after the other."""
    plain = {"q": 42}
    cache = LearningCache("64MB", secret=SECRET, upkeep=False)

    def answer() -> int:
        return 42

    @cached(secret=SECRET, upkeep=False)
    def pair(first: str, second: str) -> tuple[str, str]:
        return first, second

    @cached(secret=SECRET, upkeep=False)
    def listed(first: str, second: str) -> list[str]:
        return [first, second]

    calls: dict[str, Callable[[], object]] = {
        "dict": lambda: plain.get("q"),
        "get_or_compute": lambda: cache.get_or_compute("q", answer),
        "cached, two texts": lambda: pair("a", "b"),
        "cached, a list of two that is copied": lambda: listed("a", "b"),
    }
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            call()
            found[name].append(microseconds(call))
    return {name: spread(values) for name, values in found.items()}


def learning(compiled: bool) -> dict[str, float]:
    """Return which part of a core a cache takes at 100 requests a second beside the requests themselves.

    6,000 requests of the workload drift are answered at once; what the policy, its shadows and the evolution of its
    weights take of the processor is divided by the minute that the requests would have taken.
    """
    trace = people(1, 6_000)
    if compiled:
        compile_now()
        replay(Window.of(trace[:100]), Weights().vector(), 10_000)
    policy = Adaptive(int(0.01 * 3_990 * len(np.unique(trace.key))), seed=1)
    began = time.process_time()
    for now, (key, owner, group) in enumerate(
        zip(trace.key.tolist(), trace.owner.tolist(), trace.group.tolist(), strict=True), 1
    ):
        if key in policy:
            policy.hit(key, now, owner)
        else:
            policy.add(Item(key, 3_990, 0.8, owner, group), now)
    took = time.process_time() - began
    return {"requests": len(trace), "processor_seconds": took, "part_of_a_core": took / (len(trace) / RATE)}


def learning_bytes(entries: int = 100_000) -> dict[str, float]:
    """Return bytes of memory for what a cache of so many entries knows of them, values left out.

    Beside the policy that decides these are the tables of demand, the latest requests, and all shadow caches, which
    hold 1,024 entries each at the most.
    """
    draw = random.Random(1)
    keys = [draw.getrandbits(63) for _ in range(entries)]
    policy = Adaptive(entries * 4_000, seed=1, settings=Settings(evolve_every=0))
    tracemalloc.start()
    for now, key in enumerate(keys, 1):
        policy.add(Item(key, 4_000), now)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    shadows = sum(len(shadow.policy) for shadow in policy.shadows.of.values())
    return {"entries": len(policy), "entries_of_shadows": shadows, "bytes": taken, "bytes_per_entry": taken / entries}


def shadow_bytes(entries: int) -> dict[str, dict[str, float]]:
    """Return bytes of memory for an entry of a full shadow cache, its item left out, which all of them share.

    `added` after as many entries again left for others, those that are remembered of them included; `hit` after a hit
    of each besides.
    """
    draw = random.Random(1)
    items = [Item(draw.getrandbits(63), 4_000, draw.random()) for _ in range(2 * entries)]
    found = {}
    for name, kind in POLICIES.items():
        tracemalloc.start()
        policy = kind(entries * 4_000, seed=1)
        for now, item in enumerate(items, 1):
            policy.add(item, now)
        added, _ = tracemalloc.get_traced_memory()
        for item in items:
            policy.hit(item.key, len(items))
        hit, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        found[name] = {"added": added / entries, "hit": hit / entries}
    return found


def replays() -> dict[str, dict[str, float]]:
    """Return microseconds a request of a replay of the workload drift at 1 %, compiled.

    `scored` is the score under fixed weights, `learned` the whole policy with its shadow caches, with and without
    evolutions of weights; `many weights` what replays of evolutions take for each set of weights.
    """
    trace = people(1, 20_000)
    room = int(0.01 * trace.whole)
    kinds: dict[str, Callable[[], object]] = {
        "scored": lambda: simulate(Scored(room, seed=1), trace),
        "learned, weights stay": lambda: simulate(Adaptive(room, seed=1, settings=Settings(evolve_every=0)), trace),
        "learned": lambda: simulate(Adaptive(room, seed=1), trace),
        "many weights": lambda: replay(Window.of(trace), Weights().vector(), room, samples=16),
    }
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(3):
        for name, run in kinds.items():
            began = time.process_time()
            run()
            found[name].append((time.process_time() - began) / len(trace) * 1e6)
    return {name: spread(values) for name, values in found.items()}


def main() -> None:
    """Measure, print and write `results/usage-costs.json`."""
    result = {
        "hit_microseconds": hits(),
        "learning, first minute, with compiling": learning(compiled=False),
        "learning, compiled": learning(compiled=True),
        "replay microseconds a request": replays(),
        "bytes": learning_bytes(),
        "bytes of an entry of a shadow cache of 1,024": shadow_bytes(1_024),
        "bytes of an entry of a shadow cache of 100,000": shadow_bytes(100_000),
    }
    for name, values in result.items():
        print(name, values)
    write("usage-costs", result)


if __name__ == "__main__":
    main()
