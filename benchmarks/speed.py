"""What attaching costs, and whether what is saved on paper is saved on the clock.

    python -m benchmarks.speed [--rounds 7] [--cases emoji-1,emoji-16,pixart] [--steps 20]

Every round times, in changing order and in one process, the untouched pipeline, the pipeline under an all-compute
schedule, and under each schedule; ratios are taken within a round, and the median over rounds is reported with its
quartiles. *Expected* is the time of what a schedule executes plus what no schedule can skip: the untouched time of
the round less the time of the components that the schedule skips. Component times come from a generation of the same
round in which every component's forward is timed; timing costs time itself, so they are scaled by the ratio of the
round's untouched and timed generations.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import torch

from benchmarks.cases import Case, emoji, pixart_alpha
from benchmarks.environment import write
from benchmarks.timing import summarise
from evocache import apply, discover
from evocache.metrics.timing import measure_seconds, run_rounds, shuffle_by
from evocache.schedule import Schedule

CASES: dict[str, Callable[[], Case]] = {
    "emoji-1": lambda: emoji(1),
    "emoji-16": lambda: emoji(16),
    "pixart": pixart_alpha,
}


def mask(steps: int) -> str:
    """The span-level step mask that is measured: dense at first, every third step later."""
    return "steps:" + ",".join(str(s) for s in range(steps) if s < 2 or s % 3 == 0)


@contextmanager
def timed_components(case: Case, spent: dict[str, float]) -> Iterator[None]:
    """Within the context, time of blocks and leaves is added up in `spent`, by component."""
    stack: list[float] = []
    handles: list[Any] = []

    def before(module: torch.nn.Module, args: Any) -> None:
        stack.append(time.perf_counter())

    def after(id: str) -> Callable[..., None]:
        def hook(module: torch.nn.Module, args: Any, output: Any) -> None:
            spent[id] = spent.get(id, 0.0) + time.perf_counter() - stack.pop()

        return hook

    for denoiser in discover(case.pipe).denoisers:
        for id, module in denoiser.modules.items():
            handles += [module.register_forward_pre_hook(before), module.register_forward_hook(after(id))]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def skipped_seconds(schedule: Schedule, spent: dict[str, float]) -> float:
    """Time that a schedule saves: that of the outermost parts that it skips."""
    total = 0.0
    for column, component in enumerate(schedule.components):
        read = schedule.read[:, column].sum() / schedule.steps
        if component.kind == "span":
            blocks = [c.id for c in schedule.components if c.kind == "block" and c.denoiser == component.denoiser]
            total += read * sum(spent[b] for b in blocks)
        elif component.id in spent:
            total += read * spent[component.id]
    return total


def measure(case: Case, steps: int, rounds: int) -> dict[str, Any]:
    """Times of one case, by what is applied."""
    specs = ["none", "fora:3", mask(steps)]
    schedules: dict[str, Schedule] = {}

    def generate() -> object:
        return case.run(steps)

    def under(spec: str) -> float:
        with apply(case.pipe, spec) as handle:
            taken = measure_seconds(generate)
            schedules[spec] = handle.stats.schedule
        return taken

    def timed() -> float:
        spent.clear()
        with timed_components(case, spent):
            return measure_seconds(generate)

    spent: dict[str, float] = {}
    jobs: dict[str, Callable[[], float]] = {"untouched": lambda: measure_seconds(generate), "timed": timed}
    jobs |= {spec: (lambda spec=spec: under(spec)) for spec in specs}
    for job in jobs.values():
        job()
    samples: list[dict[str, float]] = []
    for row in islice(run_rounds(jobs, shuffle_by(0)), rounds):
        scale = row["untouched"] / row["timed"]
        for spec in specs[1:]:
            row[f"expected {spec}"] = row["untouched"] - scale * skipped_seconds(schedules[spec], spent)
        samples.append(row)
    out: dict[str, Any] = {
        "case": case.name,
        "steps": steps,
        "rounds": rounds,
        "seconds": {name: summarise([row[name] for row in samples]) for name in samples[0]},
        "overhead of all-compute": summarise([row["none"] / row["untouched"] for row in samples]),
    }
    for spec in specs[1:]:
        out[spec] = {
            "executed": schedules[spec].executed_fraction(),
            "speedup": summarise([row["untouched"] / row[spec] for row in samples]),
            "clock / expected": summarise([row[spec] / row[f"expected {spec}"] for row in samples]),
        }
    return out


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--name", default="speed")
    options = parser.parse_args()
    np.random.seed(0)
    results = []
    for name in options.cases.split(","):
        steps = min(options.steps, 9) if name == "pixart" else options.steps
        results.append(measure(CASES[name](), steps, options.rounds))
        print(results[-1])
    write(options.name, {"what": __doc__.split("\n", 1)[0], "seed": 0, "cases": results})


if __name__ == "__main__":
    main()
