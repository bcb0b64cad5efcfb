"""`python -m benchmarks.usage.server_sim`: response times and hits of a simulated server of one worker."""

from __future__ import annotations

import argparse
from statistics import fmean

from evocache.tables import Column, plain, table

from ...environment import write
from .figures import AHEAD, CASES, bound, mean_of, serve, serve_ahead
from .outcome import HOWS

SEEDS = (1, 2, 3)
LOADS = (0.6, 0.9)
IDLE_LOADS = (0.2, 0.4)


def main() -> None:
    """Simulate the cases, print tables and write `results/usage-server.json`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--workload", default="drift")
    parser.add_argument("--name", default="usage-server", help="name of the result")
    args = parser.parse_args()
    cases: dict[str, dict[str, dict[str, float]]] = {}
    for what, loads, names, run in (
        ("served", LOADS, CASES, serve),
        ("ahead", IDLE_LOADS, AHEAD, serve_ahead),
    ):
        for load in loads:
            found = {}
            for name in names:
                found[name] = mean_of([run(name, args.workload, load, seed).figures() for seed in args.seeds])
            cases[f"{what}, load {load}"] = found
            print(text(f"{what}, load {load}", found), flush=True)
    belady = fmean(bound(args.workload, seed) for seed in args.seeds)
    print(f"hits of who knows the future, one request after the other, at the same bytes: {belady:.1%}")
    write(args.name, {"workload": args.workload, "seeds": list(args.seeds), "belady": belady, "cases": cases})


def text(title: str, found: dict[str, dict[str, float]]) -> str:
    """Return a table: seconds, and percent of the requests or of the worker's time."""
    names = ("mean s", "p99 s", *HOWS, "busy", "wasted")
    columns = [Column("case", room="keep"), *(Column(name, numeric=True) for name in names)]
    rows = []
    for name, one in found.items():
        percents = [one[how] for how in HOWS] + [one["busy"], one["wasted_of_worker"]]
        rows.append([name, f"{one['mean']:.2f}", f"{one['p99']:.2f}", *(f"{100 * part:.1f}" for part in percents)])
    return plain(table(columns, rows, title))


if __name__ == "__main__":
    main()
