"""Hit rates of policies on workloads, with the bound that knows the future beside them."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from evocache.usage.learn.adaptive import Adaptive
from evocache.usage.policies.belady import best_offline
from evocache.usage.policies.registry import policy
from evocache.usage.policies.simulate import simulate
from evocache.usage.policies.trace import Trace

from .workloads import WORKLOADS

STATIC = ("lru", "lfu", "s3fifo", "wtinylfu", "gdsf")
WARM = 4_000
"""Requests before the figure that a learning cache is held against the others by."""


@dataclass(frozen=True)
class Rates:
    """Says what a policy gained on a trace.

    Attributes:
        hits: share of the requests that were hits.
        hits_warm: the same after the first 4,000 requests.
        saved: share of the seconds that was saved.
        seconds: of the processor, for the whole replay.
    """

    hits: float
    hits_warm: float
    saved: float
    seconds: float


def rates(hit: NDArray[np.bool_], trace: Trace, seconds: float) -> Rates:
    """Return the rates of a replay's hits."""
    saved = float(trace.seconds[hit].sum() / trace.seconds.sum())
    return Rates(float(hit.mean()), float(hit[WARM:].mean()), saved, seconds)


def room_of(trace: Trace, share: float) -> int:
    """Return a share of the bytes of all answers of a trace."""
    return int(share * trace.whole)


def compare(job: tuple[str, float, int]) -> dict[str, Rates]:
    """Return the rates of all policies on a workload with a room and a seed.

    Beside them stand `belady`, which knows the future, and `learned, compact`, for which 2.3 times as many entries fit.
    """
    name, share, seed = job
    trace = WORKLOADS[name](seed)
    room = room_of(trace, share)
    kinds = {
        **{kind: policy(kind, room, seed) for kind in STATIC},
        "learned": Adaptive(room, seed=seed),
        "learned, compact": Adaptive(int(2.3 * room), seed=seed),
        "lru, compact": policy("lru", int(2.3 * room), seed),
    }
    found = {}
    for kind, held in kinds.items():
        began = time.process_time()
        hit = simulate(held, trace).hit
        found[kind] = rates(hit, trace, time.process_time() - began)
    began = time.process_time()
    bound = best_offline(trace, room)
    found["belady"] = rates(bound.hit, trace, time.process_time() - began)
    return found


def sweep(jobs: list[tuple[str, float, int]], workers: int) -> list[dict[str, Rates]]:
    """Return the rates of all jobs, which run in processes beside each other."""
    with get_context("spawn").Pool(workers) as pool:
        return pool.map(compare, jobs, chunksize=1)


def summary(found: list[dict[str, Rates]]) -> dict[str, object]:
    """Return mean and range over seeds of what is claimed, and all rates."""

    def spread(values: list[float]) -> dict[str, float]:
        return {"mean": fmean(values), "low": min(values), "high": max(values)}

    more, gap, lead, seconds = [], [], [], []
    for one in found:
        lru, best, mine = one["lru"], one["belady"], one["learned"]
        more.append(mine.hits / lru.hits - 1 if lru.hits else float("inf"))
        gap.append((mine.hits - lru.hits) / (best.hits - lru.hits))
        lead.append(mine.hits_warm - max(one[kind].hits_warm for kind in ("lru", "gdsf", "s3fifo")))
        seconds.append(mine.seconds)
    return {
        "more_hits_than_lru": spread(more),
        "gap_from_lru_to_belady_closed": spread(gap),
        "lead_over_best_of_lru_gdsf_s3fifo_after_4000": spread(lead),
        "processor_seconds": spread(seconds),
        "rates": {kind: spread([one[kind].hits for one in found]) for kind in found[0]},
        "saved": {kind: spread([one[kind].saved for one in found]) for kind in found[0]},
        "seeds": [{kind: asdict(rate) for kind, rate in one.items()} for one in found],
    }
