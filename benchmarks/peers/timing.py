"""The stage that takes the time: rounds in which every contender generates the same batch, in shuffled order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from benchmarks.peers.checkpoint import Checkpoint, key_of
from benchmarks.peers.contender import STEPS, UNCACHED, Contender, Session
from benchmarks.peers.generate import Bench
from benchmarks.peers.watch import ChangedError, pristine
from benchmarks.timing import summarise
from evocache.metrics.timing import measure_seconds, shuffle_by

EVERY = 6
"""The uncached pipeline runs before and after every so many contenders: the machine may change its pace."""

Taken = list[tuple[str, float]]
"""Seconds of runs, by contender, in the order in which they ran."""


def run(
    bench: Bench, contenders: Sequence[Contender], rounds: int, checkpoint: Checkpoint, seed: int = 0
) -> dict[str, list[float]]:
    """Speedups of each contender, one a round: the mean of the two uncached runs around it, over its own time.

    What lies between two uncached runs belongs together; what the checkpoint has of that is not measured again.
    """
    entrants = [contender for contender in contenders if contender.family != UNCACHED]
    identity = key_of(contenders={c.name: [c.family, c.steps, dict(c.settings)] for c in entrants})
    field = hashlib.sha256(identity.encode()).hexdigest()[:16]
    by_name = {contender.name: contender for contender in entrants}
    before = bench.fingerprint()
    bench.timed(Session(), STEPS)
    speedups: dict[str, list[float]] = {contender.name: [] for contender in entrants}
    for number in range(rounds):
        order = [by_name[name] for name in shuffle_by(seed)(list(by_name), number)]
        last = None
        for start in range(0, len(order), EVERY):
            key = key_of(round=number, start=start, batch=bench.batch, seed=seed, contenders=field)
            found = checkpoint.find(key)
            if found is None:
                taken = _stretch(bench, order[start : start + EVERY], last)
                last = taken[-1][1]
                found = {"seconds": taken}
                checkpoint.add(key, found)
            else:
                last = None
            for name, ratio in ratios(found["seconds"]).items():
                speedups[name].append(ratio)
        if not torch.equal(before, bench.fingerprint()):
            raise ChangedError("after a round of timing the uncached pipeline generates something else")
        print(f"timing round {number + 1}/{rounds}", flush=True)
    return speedups


def _stretch(bench: Bench, order: Sequence[Contender], before: float | None) -> Taken:
    """Times of contenders between two uncached runs, of which the first may just have been taken."""
    taken = [(UNCACHED, _seconds(bench, Session(), STEPS) if before is None else before)]
    for contender in order:
        with pristine(bench.pipe, bench.pipe.transformer, set()), contender.on(bench.pipe) as session:
            taken.append((contender.name, _seconds(bench, session, contender.steps)))
    return [*taken, (UNCACHED, _seconds(bench, Session(), STEPS))]


def _seconds(bench: Bench, session: Session, steps: int) -> float:
    return measure_seconds(lambda: bench.timed(session, steps))


def ratios(taken: Sequence[Sequence[Any]]) -> dict[str, float]:
    """Speedups of what ran between two uncached runs: their mean time over a contender's."""
    uncached = (taken[0][1] + taken[-1][1]) / 2
    return {name: uncached / seconds for name, seconds in taken[1:-1]}


def summary(speedups: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Any]]:
    """Median and quartiles by name."""
    out = {}
    for name, values in speedups.items():
        found = summarise(values, 3)
        out[name] = {"speedup": found["median"], "speedup quartiles": found["quartiles"]}
    return out
