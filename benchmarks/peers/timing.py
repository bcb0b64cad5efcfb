"""The stage that takes the time: rounds in which every contender generates the same batch, in shuffled order."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.peers.checkpoint import Checkpoint, key_of
from benchmarks.peers.contender import UNCACHED, Contender, Session
from benchmarks.peers.generate import Bench
from benchmarks.peers.watch import pristine

EVERY = 6
"""The uncached pipeline runs before every so many contenders, and after the last: the machine may change its pace."""


def run(
    bench: Bench, contenders: Sequence[Contender], rounds: int, checkpoint: Checkpoint, seed: int = 0
) -> dict[str, list[float]]:
    """Speedups of each contender, one a round: the mean of the two uncached runs around it, over its own time.

    Rounds in the checkpoint are not measured again. A round belongs to one process; one that breaks off is measured
    anew.
    """
    entrants = [contender for contender in contenders if contender.family != UNCACHED]
    identity = {c.name: [c.family, c.steps, dict(c.settings)] for c in entrants}
    before = bench.fingerprint()
    bench.timed(Session(), 20)
    speedups: dict[str, list[float]] = {contender.name: [] for contender in entrants}
    for number in range(rounds):
        key = key_of(round=number, batch=bench.batch, contenders=identity)
        found = checkpoint.find(key)
        if found is None:
            order = list(entrants)
            random.Random(seed + number).shuffle(order)
            found = {"seconds": _round(bench, order)}
            checkpoint.add(key, found)
        if not torch.equal(before, bench.fingerprint()):
            raise RuntimeError("after a round the uncached pipeline generates something else")
        for name, ratio in ratios(found["seconds"]).items():
            speedups[name].append(ratio)
        print(f"timing round {number + 1}/{rounds}", flush=True)
    return speedups


def _round(bench: Bench, order: Sequence[Contender]) -> list[tuple[str, float]]:
    taken: list[tuple[str, float]] = []
    for place, contender in enumerate(order):
        if place % EVERY == 0:
            taken.append((UNCACHED, _seconds(bench, Session(), 20)))
        with pristine(bench.pipe, bench.pipe.transformer, set()), contender.on(bench.pipe) as session:
            taken.append((contender.name, _seconds(bench, session, contender.steps)))
    taken.append((UNCACHED, _seconds(bench, Session(), 20)))
    return taken


def _seconds(bench: Bench, session: Session, steps: int) -> float:
    began = time.perf_counter()
    bench.timed(session, steps)
    return time.perf_counter() - began


def ratios(taken: Sequence[Sequence[Any]]) -> dict[str, float]:
    """Speedups of one round: the mean time of the uncached runs before and after, over a contender's."""
    places = [place for place, (name, _) in enumerate(taken) if name == UNCACHED]
    out: dict[str, float] = {}
    for place, (name, seconds) in enumerate(taken):
        if name == UNCACHED:
            continue
        before = max(p for p in places if p < place)
        after = min(p for p in places if p > place)
        out[name] = (taken[before][1] + taken[after][1]) / 2 / seconds
    return out


def summary(speedups: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Any]]:
    """Median and quartiles by name."""
    out = {}
    for name, values in speedups.items():
        low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
        out[name] = {"speedup": round(float(middle), 3), "speedup quartiles": [round(float(v), 3) for v in (low, high)]}
    return out
