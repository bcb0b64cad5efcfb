"""Workloads of a kind, with numbers drawn at random: what weights are evolved on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from benchmarks.usage.workloads import People, heavy, joined, loop, people, popular, scan, with_sizes
from evocache.usage.policies.trace import Trace

REQUESTS = 7_000
WARM = 2_000
"""Requests at the beginning of each workload that do not count."""


@dataclass(frozen=True, eq=False)
class Case:
    """Holds a workload and the bytes of a cache for it."""

    trace: Trace
    room: int


def drift(random: Generator, seed: int) -> Trace:
    """Return requests of people with other habits and interests each time."""
    of = People(
        users=int(random.choice([50, 400, 2000])),
        heavy_share=random.uniform(0.1, 0.6),
        subjects=int(random.choice([1000, 6000, 20_000])),
        captions=int(random.choice([4, 24, 60])),
        exponent=random.uniform(0.6, 1.1),
        every=int(random.choice([0, 1000, 2500, 5000])),
        crowds=int(random.choice([0, 1000, 3000])),
        again=(random.uniform(0.1, 0.7), random.uniform(0, 0.4)),
        edited=random.uniform(0.2, 0.8),
    )
    return people(seed, REQUESTS, of)


def steady(random: Generator, seed: int) -> Trace:
    """Return requests for keys whose popularity stays."""
    return popular(seed, REQUESTS, int(random.choice([1000, 5000, 30_000])), random.uniform(0.6, 1.2))


def scanned(random: Generator, seed: int) -> Trace:
    """Return requests for a few keys between others that are asked for once."""
    return scan(seed, REQUESTS, int(random.choice([50, 200, 800])), random.uniform(0.15, 0.7))


def mixed(random: Generator, seed: int) -> Trace:
    """Return popular keys, people and a scan in turn, in some order."""
    each = REQUESTS // 3
    parts = [popular(seed, each, 3000), people(seed + 1, each), scan(seed + 2, each)]
    return joined([parts[place] for place in random.permutation(3)])


def loops(random: Generator, seed: int) -> Trace:
    """Return all keys one after the other, again and again."""
    return loop(seed, REQUESTS, int(random.choice([300, 1000, 3000])))


KINDS: dict[str, tuple[Callable[[Generator, int], Trace], ...]] = {
    "people": (drift, drift, lambda random, seed: heavy(seed, REQUESTS)),
    "popular": (steady, scanned, mixed),
    "loop": (loops,),
}
"""By the name of the weights, what they are evolved on."""


def suite(kind: str, count: int, seed: int) -> list[Case]:
    """Return workloads of a kind: a third of them with sizes that vary, rooms of half a percent to a tenth.

    A fifth of them names no owners and a fifth no groups; loops have rooms of a fifth to nearly all.
    """
    random = np.random.default_rng(seed)
    cases = []
    for _ in range(count):
        make = KINDS[kind][random.integers(len(KINDS[kind]))]
        own = int(random.integers(10**6))
        trace = make(random, own)
        if random.random() < 1 / 3:
            trace = with_sizes(trace, own)
        owner = 0 if random.random() < 0.2 else trace.owner
        group = 0 if random.random() < 0.2 else trace.group
        trace = Trace.of(trace.key, size=trace.size, seconds=trace.seconds, owner=owner, group=group)
        _, first = np.unique(trace.key, return_index=True)
        share = (
            random.uniform(0.2, 0.95) if kind == "loop" else float(np.exp(random.uniform(np.log(0.005), np.log(0.1))))
        )
        cases.append(Case(trace, max(int(share * trace.size[first].sum()), 3 * int(trace.size.max()))))
    return cases
