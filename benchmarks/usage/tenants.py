"""`python -m benchmarks.usage.tenants`: what a tenant can tell of another one's traffic from the times of its answers.

Tenant A asks the same questions of two caches of tenants: of one it has alone, and of one where B asks three questions
after each of A's. Both are asked in turns, which first is drawn; each answer is timed by the wall and by the processor.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evocache.tables import Column, plain, table
from evocache.usage.cache.tenants import Tenants

from ..environment import write

REQUESTS, SEEDS = 20_000, (1, 2, 3)
KEYS = 3_000
ROOM = 2 * 400_000
"""Bytes of two tenants: some 600 answers each."""

OTHERS = 3
"""Questions of B after each of A's."""

QUANTILES = {"median": 0.5, "p90": 0.9, "p99": 0.99}
CASES = ("alone", "beside")
SETTINGS = {"secret": b"benchmark secret" * 2, "upkeep": False, "clock": lambda: 0.0}


@dataclass
class Times:
    """Holds how long answers took.

    Attributes:
        hit: whether each was a hit.
        wall: seconds of each by the wall.
        processor: seconds of each of the processor.
    """

    hit: list[bool] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def note(self, ask: Callable[[], bool]) -> None:
        """Time an answer, which says whether it was a hit."""
        wall, processor = time.perf_counter_ns(), time.thread_time_ns()
        hit = ask()
        processor, wall = time.thread_time_ns() - processor, time.perf_counter_ns() - wall
        self.hit.append(hit)
        self.wall.append(wall / 1e9)
        self.processor.append(processor / 1e9)


def questions(seed: int, requests: int) -> Iterator[int]:
    """Yield numbers of questions, few of which are asked often."""
    yield from (np.random.default_rng(seed).zipf(1.2, requests) % KEYS).tolist()


def asker(tenants: Tenants, tenant: str) -> Callable[[int], bool]:
    """Return what asks a question of a tenant's, and says whether it was a hit."""
    cache = tenants.of(tenant)
    assert cache is not None

    def ask(number: int) -> bool:
        computed = False

        def compute() -> str:
            nonlocal computed
            computed = True
            return "x" * 500

        cache.get_or_compute(f"question {number}", compute, owner=f"owner {number % 50}", seconds=1.0)
        return not computed

    return ask


def measure(seed: int, requests: int = REQUESTS) -> dict[str, Times]:
    """Return times of A's answers, alone and beside B."""
    caches = {case: Tenants(ROOM, 2, **SETTINGS) for case in CASES}
    ask = {case: asker(tenants, "a") for case, tenants in caches.items()}
    other = asker(caches["beside"], "b")
    noise = questions(seed + 1_000, requests * OTHERS)
    times = {case: Times() for case in CASES}
    first = np.random.default_rng(seed + 2_000).random(requests) < 0.5
    for number, swapped in zip(questions(seed, requests), first.tolist(), strict=True):
        for case in CASES[::-1] if swapped else CASES:
            times[case].note(lambda: ask[case](number))  # noqa: B023
        for _ in range(OTHERS):
            other(next(noise))
    return times


def figures(times: list[dict[str, Times]]) -> dict[str, object]:
    """Return distributions of hits and misses, alone and beside, and of what is longer beside, pair by pair."""
    hit = np.concatenate([one["alone"].hit for one in times])
    result: dict[str, object] = {
        "requests": len(hit),
        "hits": int(hit.sum()),
        "outcomes are the same": all(one["alone"].hit == one["beside"].hit for one in times),
    }
    for clock in ("processor", "wall"):
        taken = {case: np.concatenate([getattr(one[case], clock) for one in times]) * 1e6 for case in CASES}
        for kind, rows in {"hit": hit, "miss": ~hit}.items():
            result[f"microseconds of a {kind}, {clock}"] = {
                **{case: quantiles(values[rows]) for case, values in taken.items()},
                "longer beside, pair by pair": quantiles((taken["beside"] - taken["alone"])[rows]),
            }
    return result


def quantiles(values: NDArray[np.float64]) -> dict[str, float]:
    """Return the median and the upper quantiles."""
    return {name: float(np.quantile(values, share)) for name, share in QUANTILES.items()}


def main() -> None:
    """Measure, print a table and write `results/usage-tenants.json`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--name", default="usage-tenants", help="name of the result")
    args = parser.parse_args()
    result = figures([measure(seed, args.requests) for seed in args.seeds])
    columns = [Column("microseconds", room="keep"), *(Column(name, numeric=True) for name in QUANTILES)]
    rows = [
        [f"{kind.removeprefix('microseconds of a ')}, {case}", *(f"{value:.1f}" for value in values.values())]
        for kind, cases in result.items()
        if isinstance(cases, dict)
        for case, values in cases.items()
    ]
    same = "the same" if result["outcomes are the same"] else "not the same"
    print(
        plain(table(columns, rows, f"{result['requests']:,} requests of A, {result['hits']:,} hits: {same} beside B"))
    )
    write(args.name, {"seeds": list(args.seeds), **result})


if __name__ == "__main__":
    main()
