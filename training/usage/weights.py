"""Evolve the weights that a learning cache begins with, one set a kind of workload.

`python -m training.usage.weights people popular loop` prints them; they stand in `evocache.usage.demand.shipped`.
A candidate is worth, on each workload, what part of the gap from the best of LRU, GDSF and S3-FIFO to the rule that
knows the future it closes, in hits and in seconds; where it is worse than that best, one and a half times as much.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from cmaes import CMA
from numpy.typing import NDArray

from evocache.usage.demand.weights import Weights
from evocache.usage.learn.replay import Window, replay
from evocache.usage.policies.belady import best_offline
from evocache.usage.policies.registry import policy
from evocache.usage.policies.simulate import simulate

from .suites import KINDS, WARM, Case, suite

RIVALS = ("lru", "gdsf", "s3fifo")
LEAST_GAP = 0.03
"""Shares by which every gap is taken for larger, so that a tiny one does not decide."""

PENALTY = 1.5
SPREAD = 0.6
POPULATION = 14


def shares(hits: NDArray[np.bool_], case: Case) -> NDArray[np.float64]:
    """Return the shares of requests and of seconds that hits answer, shape (..., 2)."""
    seconds = case.trace.seconds[WARM:]
    counted = hits[..., WARM:]
    return np.stack([counted.mean(-1), counted @ seconds / seconds.sum()], -1)


def evolve(kind: str, count: int, generations: int, seed: int) -> Weights:
    """Evolve weights on workloads of a kind, and return the mean of the last generation, to two digits."""
    cases = suite(kind, count, seed)
    windows = [Window.of(case.trace) for case in cases]
    rivals, gaps = [], []
    for case in cases:
        best = np.max([shares(simulate(policy(r, case.room), case.trace).hit, case) for r in RIVALS], axis=0)
        bound = shares(best_offline(case.trace, case.room).hit, case)
        rivals.append(best)
        gaps.append(np.maximum(bound - best, 0) + LEAST_GAP)
    search = CMA(mean=Weights().vector(), sigma=SPREAD, population_size=POPULATION, seed=seed)
    began = time.time()
    for generation in range(generations):
        vectors = np.array([search.ask() for _ in range(POPULATION)])
        worth = np.zeros(POPULATION)
        for case, window, best, gap in zip(cases, windows, rivals, gaps, strict=True):
            ahead = (shares(replay(window, vectors, case.room), case) - best) / gap
            worth += np.where(ahead < 0, PENALTY * ahead, ahead).mean(-1) / len(cases)
        search.tell([(vector, -value) for vector, value in zip(vectors, worth, strict=True)])
        print(f"{kind}: generation {generation}, {time.time() - began:.0f} s, best {worth.max():.3f}", flush=True)
    return Weights.from_vector(search.mean.round(2))


def main() -> None:
    """Evolve the kinds that are named, and print their weights."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    parser.add_argument("--workloads", type=int, default=22)
    parser.add_argument("--generations", type=int, default=30)
    parser.add_argument("--seed", type=int, default=2000)
    args = parser.parse_args()
    for kind in args.kinds:
        print(kind, evolve(kind, args.workloads, args.generations, args.seed))


if __name__ == "__main__":
    main()
