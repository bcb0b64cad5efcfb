"""`python -m benchmarks.usage.owners`: how good forecasts of habits are, and what bounding an owner's part does.

Beside each gain stands that of knowing each owner's own rate over the whole trace, fitted to it afterwards: no rate by
owner does better.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log

import numpy as np

from evocache.tables import Column, plain, table
from evocache.usage.policies.lru import LRU
from evocache.usage.policies.simulate import simulate
from evocache.usage.policies.trace import Trace
from evocache.usage.profile.fairness import FairShare
from evocache.usage.profile.scoring import Score, score

from ..environment import write
from .eviction import room_of
from .workloads import People, heavy, people, popular

SEED = 1

HABITS: dict[str, Callable[[int], Trace]] = {
    "drift": people,
    "drift, strong habits": lambda seed: people(seed, of=People(again=(0.8, 0.1), edited=0.1)),
    "drift, many repeat much": lambda seed: people(seed, of=People(again=(0.9, 0.3), edited=0.1)),
    "drift, all alike": lambda seed: people(seed, of=People(again=(0.3, 0.3))),
    "drift, nobody repeats": lambda seed: people(seed, of=People(again=(0.0, 0.0), crowds=0)),
    "popular": popular,
}
"""Workloads by name; in the last three owners have no habits of their own."""

FLOODS: dict[str, Callable[[int], Trace]] = {
    "drift": people,
    "heavy user": heavy,
    "flood": lambda seed: people(seed, of=People(users=200, heavy=1, heavy_share=0.8, again=(0.0, 0.4))),
}
"""Workloads by name; in the last one a single owner sends four fifths of the requests and repeats none."""

SHARES = (None, 0.25, 0.1)
MANY = 500
"""Decisions from which on a range of lengths is judged by itself."""


def main() -> None:
    """Score habits, replay floods, print tables and write `results/usage-owners.json`."""
    habits = {name: _habits(make(SEED)) for name, make in HABITS.items()}
    columns = [
        Column("workload", room="keep"),
        *(Column(n, numeric=True) for n in ("gain", "own rates known", "worst")),
    ]
    rows = [[n, *(f"{100 * one[k]:+.1f}%" for k in ("gain", "hindsight", "worst"))] for n, one in habits.items()]
    print(plain(table(columns, rows, "log loss below everybody's rate")), flush=True)
    fairness = {name: _fairness(make(SEED)) for name, make in FLOODS.items()}
    columns = [Column("case", room="keep"), *(Column(n, numeric=True) for n in ("all", "others", "heaviest"))]
    rows = [
        [f"{name}, {case}", *(f"{100 * rate:.1f}" for rate in rates.values())]
        for name, cases in fairness.items()
        for case, rates in cases.items()
    ]
    print(plain(table(columns, rows, "hit rate in percent")))
    write("usage-owners", {"seed": SEED, "habits": habits, "fairness": fairness})


def _habits(trace: Trace) -> dict:
    """Return gains of a workload, and the losses a decision of each range of lengths."""
    found = score(zip(trace.owner.tolist(), trace.key.tolist(), strict=True))
    whole = sum(found.values(), Score())
    return {
        "gain": whole.gain,
        "hindsight": 1 - _hindsight(trace) / whole.everybody,
        "worst": min(one.gain for one in found.values() if one.decisions >= MANY),
        "ranges": {
            str(length): {
                "decisions": one.decisions,
                "everybody": one.everybody / one.decisions,
                "personal": one.personal / one.decisions,
                "shrunk": one.shrunk / one.decisions,
            }
            for length, one in found.items()
        },
    }


def _hindsight(trace: Trace) -> float:
    """Return the log loss, summed, of each owner's own rate over the whole trace."""
    loss = 0.0
    for owner in np.unique(trace.owner):
        keys = trace.key[trace.owner == owner]
        again = keys[1:] == keys[:-1]
        for count in (int(again.sum()), int((~again).sum())):
            loss -= count * log(count / len(again)) if count else 0.0
    return loss


def _fairness(trace: Trace) -> dict[str, dict[str, float]]:
    """Return hit rates of LRU by bound: of all, of the owners that send little, and of the others."""
    owners, counts = np.unique(trace.owner, return_counts=True)
    heaviest = np.isin(trace.owner, owners[counts > counts.max() / 2])
    room, found = room_of(trace, 0.01), {}
    for share in SHARES:
        hit = simulate(LRU(room) if share is None else FairShare(LRU(room), share), trace).hit
        case = "no bound" if share is None else f"at most {share:.0%} an owner"
        rates = {"all": hit, "others": hit[~heaviest], "heaviest": hit[heaviest]}
        found[case] = {who: float(part.mean()) for who, part in rates.items()}
    return found


if __name__ == "__main__":
    main()
