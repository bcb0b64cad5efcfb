"""Plans of full-size pipelines, made without weights: by other processes while a GPU generates, or on another machine.

    python -m benchmarks.memory.ahead FILE [--cases svd,wan] [--link 3.4e10] [--launch 8e-6]

A file that is there is added to. A plan says what is run in slices, what leaves the device and what is predicted of it;
of the machine only which of the plans that fit is the fastest depends.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.memory.rows import CASES, LEAST, TIGHT
from evocache import discover
from evocache.errors import BudgetError
from evocache.memory import cudnn_workspace
from evocache.memory.planner.planner import Machine, MemoryPlan, plan, smallest
from evocache.runtime.compiled import Compiled
from evocache.runtime.estimate.dry_run import dry_run
from evocache.runtime.estimate.estimate import detailed, footprint
from evocache.runtime.program.program import resolve

Plans = dict[str, Any]
"""By the name of a row, its plan, or by how many bytes its budget falls short; and the seconds that planning took."""


def planned(name: str, tiny: bool, machine: Machine, device: str) -> Plans:
    """Plans of a case's rows: of those without a budget, what they hold as they are.

    Args:
        name: the case.
        tiny: whether a tiny pipeline is planned for.
        machine: what moves and launches cost.
        device: the type of device that the plans are for; components may leave a GPU, not a CPU.
    """
    began = time.perf_counter()
    case = CASES[name]
    pipe, call = case.pipeline("cpu" if tiny else "meta", tiny=tiny), case.arguments(tiny=tiny)
    model, offload = discover(pipe), device != "cpu"
    found: Plans = {}
    seen = dry_run(pipe, model, (), call, workspace=cudnn_workspace.of(device))
    for spec in dict.fromkeys(row.spec for row in case.rows if not row.helper):
        compiled = Compiled(model, resolve(spec or "none"))
        made = footprint(pipe, compiled, seen)
        as_it_is = plan(made, None)
        rows = [row for row in case.rows if row.spec == spec and not row.helper]
        if any(row.budget is not None for row in rows):
            made = detailed(made, pipe, compiled, seen)
        for row in rows:
            if row.budget is None:
                found[row.name] = as_it_is
            elif row.budget == LEAST:
                found[row.name] = smallest(made, machine, offload=offload)
            else:
                assert not isinstance(row.budget, str)
                budget = int(TIGHT * as_it_is.peak if tiny else row.budget * 1e9)
                found[row.name] = _within(made, budget, machine, offload)
    told = vars(machine)
    return {**found, "seconds": time.perf_counter() - began, "machine": told}


def _within(made: Any, budget: int, machine: Machine, offload: bool) -> MemoryPlan | int:
    try:
        return plan(made, budget, machine, offload=offload)
    except BudgetError as error:
        return error.shortfall


Ask = Callable[[str, float], Plans]
"""Gives the plans of a case, if they are ready within so many seconds."""


def _alone() -> None:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.nice(5)
    torch.set_num_threads(1)


@contextmanager
def planners(
    names: Sequence[str], tiny: bool, machine: Machine, device: str, processes: int, file: str | None = None
) -> Iterator[Ask]:
    """Within the context, other processes plan all cases, in order; what is not ready at its end is given up.

    Cases that a file has plans of are taken from there.
    """
    known: dict[str, Plans] = pickle.loads(Path(file).read_bytes()) if file else {}
    pool = multiprocessing.get_context("spawn").Pool(processes, initializer=_alone)
    try:
        open_ = [name for name in names if name not in known]
        jobs = {name: pool.apply_async(planned, (name, tiny, machine, device)) for name in open_}

        def ask(name: str, seconds: float) -> Plans:
            return known[name] if name in known else jobs[name].get(max(seconds, 0.0))

        yield ask
    finally:
        pool.terminate()


def main() -> None:
    """Plan and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--link", type=float, default=2.0**35, help="bytes a second between GPU and host")
    parser.add_argument("--launch", type=float, default=2.0**-17, help="seconds that a launch takes")
    given = parser.parse_args()
    found: dict[str, Plans] = pickle.loads(given.file.read_bytes()) if given.file.exists() else {}
    for name in given.cases.split(","):
        found[name] = planned(name, False, Machine(given.link, given.launch), "cuda")
        given.file.write_bytes(pickle.dumps(found))
        print(name, {row: getattr(plan, "peak", plan) for row, plan in found[name].items()}, flush=True)


if __name__ == "__main__":
    main()
