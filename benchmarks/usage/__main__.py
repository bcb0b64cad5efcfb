"""`python -m benchmarks.usage`: what a learning cache gains beside static policies, at equal bytes."""

from __future__ import annotations

import argparse
from pathlib import Path

from evocache.tables import Column, plain, table

from ..environment import write
from .eviction import STATIC, summary, sweep
from .traces.measure import find_traces, measure_traces
from .traces.measure import text as trace_text
from .workloads import WORKLOADS

SEEDS = (1, 2, 3, 4, 5)
ROOMS = (0.01, 0.03)
LOOPS = (0.3, 0.5)
"""Rooms of loops, of which less than a large part is of no use to anybody but who knows the future."""


def main() -> None:
    """Replay the workloads, print a table and write `results/usage.json`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--workloads", nargs="+", default=list(WORKLOADS), choices=list(WORKLOADS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--name", default="usage", help="name of the result")
    parser.add_argument("--traces", type=Path, metavar="FOLDER", help="measure public traces of this folder instead")
    args = parser.parse_args()
    if args.traces is not None:
        traced = measure_traces(find_traces(args.traces))
        print(trace_text(traced))
        write("usage-traces" if args.name == "usage" else args.name, {"traces": traced})
        return
    cases = [(name, room) for name in args.workloads for room in (LOOPS if name == "loop" else ROOMS)]
    jobs = [(name, room, seed) for name, room in cases for seed in args.seeds]
    found = sweep(jobs, args.workers)
    count = len(args.seeds)
    result = {
        f"{name}, {room:.0%}": summary(found[i * count : (i + 1) * count]) for i, (name, room) in enumerate(cases)
    }
    print(text(result))
    write(args.name, {"seeds": list(args.seeds), "cases": result})


def text(result: dict[str, dict]) -> str:
    """Return the table: hit rates in percent, and what learning adds."""
    kinds = (*STATIC, "learned", "belady")
    columns = [Column("workload, room", room="keep"), *(Column(kind, numeric=True) for kind in kinds)]
    columns += [Column(name, numeric=True) for name in ("more than LRU", "gap closed", "lead (least)")]
    rows = []
    for name, case in result.items():
        more, gap = case["more_hits_than_lru"]["mean"], case["gap_from_lru_to_belady_closed"]["mean"]
        lead = case["lead_over_best_of_lru_gdsf_s3fifo_after_4000"]["low"]
        cells = [f"{100 * case['rates'][kind]['mean']:.1f}" for kind in kinds]
        rows.append([name, *cells, f"{more:+.1%}", f"{gap:.0%}", f"{100 * lead:+.1f}"])
    return plain(table(columns, rows))


if __name__ == "__main__":
    main()
