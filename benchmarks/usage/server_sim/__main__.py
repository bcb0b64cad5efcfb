"""`python -m benchmarks.usage.server_sim`: response times and hits of a simulated server of one worker."""

from __future__ import annotations

import argparse
from statistics import fmean

from evocache.tables import Column, plain, table

from ...environment import write
from ..workloads import WORKLOADS
from .figures import AHEAD, CASES, bound, serve, serve_ahead, spread_of
from .outcome import HOWS

SEEDS = (1, 2, 3, 4, 5)
LOADS = (0.6, 0.9)
IDLE_LOADS = (0.2, 0.4)


def main() -> None:
    """Simulate the cases, print tables and write `results/usage-server.json`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--workload", default="drift")
    parser.add_argument("--name", default="usage-server", help="name of the result")
    parser.add_argument("--requests", type=int, help="the first ones alone")
    parser.add_argument("--loads", type=float, nargs="+", default=LOADS)
    args = parser.parse_args()
    traces = {seed: WORKLOADS[args.workload](seed)[: args.requests] for seed in args.seeds}
    cases: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for what, loads, names, run in (
        ("served", args.loads, CASES, serve),
        ("ahead", IDLE_LOADS, AHEAD, serve_ahead),
    ):
        for load in loads:
            found = {}
            for name in names:
                found[name] = spread_of([run(name, trace, load, seed).figures() for seed, trace in traces.items()])
            cases[f"{what}, load {load}"] = found
            print(text(f"{what}, load {load}", found), flush=True)
    belady = fmean(bound(trace) for trace in traces.values())
    print(f"hits of who knows the future, one request after the other, at the same bytes: {belady:.1%}")
    said = {"workload": args.workload, "seeds": list(args.seeds), "requests": args.requests}
    write(args.name, {**said, "belady": belady, "cases": cases})


def text(title: str, found: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return a table of means: seconds, and percent of the requests or of the worker's time."""
    names = ("mean s", "p99 s", *HOWS, "busy", "wasted")
    columns = [Column("case", room="keep"), *(Column(name, numeric=True) for name in names)]
    rows = []
    for name, one in found.items():
        mean = {figure: spread["mean"] for figure, spread in one.items()}
        percents = [mean[how] for how in HOWS] + [mean["busy"], mean["wasted_of_worker"]]
        rows.append([name, f"{mean['mean']:.2f}", f"{mean['p99']:.2f}", *(f"{100 * part:.1f}" for part in percents)])
    return plain(table(columns, rows, title))


if __name__ == "__main__":
    main()
