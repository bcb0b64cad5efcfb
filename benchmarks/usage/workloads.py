"""Workloads that policies are held against each other on, beside those of `evocache.usage.workloads`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from evocache.usage.policies.trace import Trace
from evocache.usage.workloads import BYTES, SECONDS, People, joined, people, popular, scan, trace_of_keys


def loop(seed: int, requests: int = 20_000, keys: int = 1_000) -> Trace:
    """Return requests for all keys one after the other, again and again, in an order that is drawn once."""
    order = np.random.default_rng(seed).permutation(keys)
    drawn = order[np.arange(requests) % keys]
    return trace_of_keys(drawn, np.zeros(requests, np.int64), drawn)


def heavy(seed: int, requests: int = 20_000) -> Trace:
    """Return requests of one heavy user among many."""
    return people(seed, requests, People(users=200, heavy=1, heavy_share=0.8, again=(0.3, 0.2)))


def regimes(seed: int, order: Sequence[int], each: int = 7_000) -> Trace:
    """Return popular keys (0), people (1) and a scan (2) in turn."""
    parts = [popular(seed, each), people(seed + 1, each), scan(seed + 2, each)]
    return joined([parts[which] for which in order])


def with_sizes(trace: Trace, seed: int, spread: float = 1.0) -> Trace:
    """Return the trace with bytes and seconds of each key drawn from log-normal laws around the usual ones."""
    random = np.random.default_rng(seed)
    known, rows = np.unique(trace.key, return_inverse=True)
    sizes = np.maximum(64, BYTES * random.lognormal(0, spread, len(known))).astype(np.int64)
    seconds = SECONDS * random.lognormal(0, spread, len(known))
    return Trace.of(trace.key, size=sizes[rows], seconds=seconds[rows], owner=trace.owner, group=trace.group)


WORKLOADS: dict[str, Callable[[int], Trace]] = {
    "drift": people,
    "regimes: popular, drift, scan": lambda seed: regimes(seed, (0, 1, 2)),
    "regimes: scan, popular, drift": lambda seed: regimes(seed, (2, 0, 1)),
    "regimes: drift, scan, popular": lambda seed: regimes(seed, (1, 2, 0)),
    "popular": popular,
    "loop": loop,
    "scan": scan,
    "heavy user": heavy,
    "drift, sizes vary": lambda seed: with_sizes(people(seed), seed),
    "popular, sizes vary": lambda seed: with_sizes(popular(seed), seed),
}
"""Workloads by name, each a function of a seed."""
