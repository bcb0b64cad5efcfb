"""The search, held against ECAD's own: what each reaches for how many denoiser steps.

    python -m benchmarks.search --method ecad --seed 0        # one run; called again, it goes on
    python -m benchmarks.search --method evocache --seed 0
    python -m benchmarks.search --compare                     # of all runs here, to results/search.json

What the file says of seeds whose runs are not here stays as it is, with the commit that it was measured at.

Both methods see the same 16 prompts of zoo:emoji, paired by seed, and judge by the relative error of the latents.
Cost is counted in denoiser steps of one prompt, a step in which a share of the leaves runs counting as that share; ours
includes calibration and uncached references, ECAD's the references. Hypervolume is that of quality (10 to 45 dB) and
predicted latency (a fifth of the uncached one to all of it), on the calibration prompts, of schedules that were
evaluated on all 16; both methods' schedules are priced by one latency model. Ours may have fewer steps than 20, held
against the same uncached outputs; ECAD's have 20.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.ecad.method import ECAD, ecad_settings
from benchmarks.ecad.seeds import ecad_seeds
from benchmarks.environment import RESULTS, environment, write
from evocache import zoo
from evocache.model import probe_pipeline
from evocache.schedule import load
from evocache.search.calibrate.calibrate import calibrate
from evocache.search.calibrate.calibration_file import read_calibration, write_calibration
from evocache.search.calibrate.run_calibration import CALIBRATION
from evocache.search.cost.schedule_cost import Costs
from evocache.search.evaluate.local import LocalEvaluator
from evocache.search.evaluate.quality import quality
from evocache.search.evaluate.workload import Workload
from evocache.search.genome.search_space import Space
from evocache.search.genome.step_counts import choose_least_steps
from evocache.search.optimise.hypervolume import Box
from evocache.search.optimise.settings import Settings
from evocache.search.run import Progress, Run
from evocache.search.seeds.seed_schedules import make_seeds
from evocache.search.storage.journal import JOURNAL, MODEL
from evocache.search.storage.run_records import read_run, read_schedules
from evocache.zoo.prompts import sample_prompts

STEPS = 20
PROMPTS = 16
EVALUATIONS = 2000

CALIBRATED = 20 * CALIBRATION
"""Uncached generations of one prompt that calibration takes about as long as (see `calibrate`)."""

BOX = Box(np.array([-45.0, 0.2]), np.array([-10.0, 1.0]))
"""Error in decibels, and latency relative to the uncached one."""


def call() -> dict[str, object]:
    """The call of the pipeline, one prompt."""
    return {"prompt": "red heart on a white background", **zoo.find("zoo:emoji").call_defaults}


def evaluator(seed: int, device: str) -> LocalEvaluator:
    """zoo:emoji on 16 prompts of a seed, judged by the latents."""
    call = dict(zoo.find("zoo:emoji").call_defaults)
    workload = Workload.of(sample_prompts(PROMPTS, seed), call, seed=1000 * seed)
    return LocalEvaluator(zoo.load("zoo:emoji").to(device), workload, quality("latent"))


def ecad(seed: int, device: str, folder: Path, over: Callable[[Progress], bool]) -> None:
    """ECAD's setting: 2,000 evaluations of 16 prompts; operations are its cost."""
    own = evaluator(seed, device)
    flops = probe_pipeline(own.pipe, call()).exclusive("flops")
    space = Space(own.tree, STEPS)
    run = Run(
        folder,
        space,
        ecad_seeds(space),
        ecad_settings(prompts=PROMPTS, seed=seed),
        lambda schedule: {"macs": schedule.cost(flops) / 2},
        own,
        identity={"prompts": list(own.workload.prompts)},
        method=ECAD,
    )
    run.evolve(lambda progress: over(progress) or progress.state.jobs >= EVALUATIONS)


def evocache(seed: int, device: str, folder: Path, over: Callable[[Progress], bool], most: float) -> None:
    """Our search, with its calibration, for `most` denoiser steps."""
    own = evaluator(seed, device)
    calibration = read_calibration(folder)
    if calibration is None:
        calibration = calibrate(own, range(CALIBRATION), least=choose_least_steps(STEPS))
        write_calibration(folder, calibration)
    costs = calibration.costs
    own.steps = calibration.steps
    least = choose_least_steps(STEPS) if costs.varies else None  # a run that was begun without goes on without
    run = Run(
        folder,
        Space(own.tree, STEPS, least),
        make_seeds(own.tree, calibration, least),
        Settings(prompts=PROMPTS, seed=seed),
        lambda schedule: {"latency": costs.latency(schedule)},
        own,
        identity={"prompts": list(own.workload.prompts)},
    )
    run.evolve(lambda progress: over(progress) or progress.state.step_equivalents >= most)


@dataclass(frozen=True)
class Trace:
    """What a run had found, by cost.

    Attributes:
        costs: (n,) denoiser steps spent when a schedule's last prompt was answered, increasing.
        values: (n, 2) its error in decibels and its latency relative to the uncached one.
    """

    costs: np.ndarray
    values: np.ndarray

    def volume(self, cost: float) -> float:
        """Hypervolume of what was found for a cost."""
        found = self.values[self.costs <= cost]
        return BOX.volume(found) if len(found) else 0.0

    def cost_of(self, volume: float) -> float | None:
        """Least cost for which a hypervolume was reached; None if it never was."""
        low, high = 0, len(self.costs) - 1  # hypervolume only grows
        if high < 0 or self.volume(self.costs[high]) < volume:
            return None
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.volume(self.costs[middle]) >= volume else (middle + 1, high)
        return float(self.costs[low])


def trace(folder: Path, costs: Costs, before: float) -> Trace:
    """The trace of a run's journal; `before` was spent before its first evaluation."""
    records = read_run(folder)
    schedules, uncached = read_schedules(folder, records), load(folder / MODEL)
    errors, found, spent = {}, [], before
    for record in records.evaluations:
        spent += record.steps
        if not record.turned and not record.failed:
            known = errors.setdefault(record.schedule, {})
            known.update(zip(record.prompts, record.values, strict=True))
            if len(known) == PROMPTS:
                latency = costs.latency(schedules[record.schedule]) / costs.latency(uncached)
                found.append((spent, float(np.mean(list(known.values()))), latency))
    table = np.array(found).reshape(-1, 3)
    return Trace(table[:, 0], table[:, 1:])


def compare(work: Path) -> None:
    """Compare all seeds that both methods were run with, and write the result."""
    rows = {row["seed"]: row for row in _known()}
    for folder in sorted(path for path in work.glob("evocache-*") if path.is_dir()):
        seed = int(folder.name.rsplit("-", 1)[1])
        calibration = read_calibration(folder)
        assert calibration is not None
        references = float(PROMPTS * STEPS)
        ours = trace(folder, calibration.costs, CALIBRATED * STEPS + 2 * references)
        row = {"seed": seed, "evocache": _summary(ours), "environment": environment()}
        if (work / f"ecad-{seed}" / JOURNAL).exists():
            theirs = trace(work / f"ecad-{seed}", calibration.costs, references)
            reached = theirs.volume(theirs.costs[-1])
            cost = ours.cost_of(reached)
            row["ecad"] = _summary(theirs)
            row["complete"] = len(theirs.costs) >= EVALUATIONS
            row["ours for their hypervolume"] = cost
            row["share of their cost"] = None if cost is None else cost / float(theirs.costs[-1])
        rows[seed] = row
        print(json.dumps(row, indent=1))
    box = {"best": BOX.best.tolist(), "worst": BOX.worst.tolist()}
    write(
        "search",
        {
            "what": __doc__.split("\n", 1)[0],
            "box (dB, relative latency)": box,
            "seeds": [rows[seed] for seed in sorted(rows)],
        },
    )


def _known() -> list[dict[str, object]]:
    """What the file says already, seed by seed, each with the environment that it was compared in."""
    path = RESULTS / "search.json"
    if not path.exists():
        return []
    known = json.loads(path.read_text())
    return [{"environment": known["environment"], **row} for row in known["seeds"]]


def _summary(run: Trace) -> dict[str, object]:
    marks = [1.0, 0.5, 0.2, 0.1, 0.05]
    by_cost = {f"{share * run.costs[-1]:.0f}": round(run.volume(share * run.costs[-1]), 4) for share in marks}
    return {
        "schedules evaluated on all prompts": len(run.costs),
        "steps": float(run.costs[-1]),
        "hypervolume": run.volume(run.costs[-1]),
        "hypervolume by steps": by_cost,
    }


def main() -> None:
    """Run one method with one seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=["ecad", "evocache"])
    parser.add_argument("--compare", action="store_true", help="compare the runs so far")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--work", type=Path, default=Path(".cache/search"))
    parser.add_argument("--most", type=float, default=40_000.0, help="denoiser steps that our search may take")
    parser.add_argument("--sitting", type=float, help="seconds after which to break off; the next call goes on")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.compare:
        compare(options.work)
        return
    if options.method is None:
        parser.error("--method or --compare")
    folder = options.work / f"{options.method}-{options.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()

    def over(progress: Progress) -> bool:
        state = progress.state
        figures = f"{state.jobs} evaluations, {state.step_equivalents:.0f} steps, {state.hypervolume:.4f}"
        print(f"{progress.seconds:.0f} s: {figures}", flush=True)
        return options.sitting is not None and time.perf_counter() - began > options.sitting

    if options.method == "ecad":
        ecad(options.seed, options.device, folder, over)
    else:
        evocache(options.seed, options.device, folder, over, options.most)


if __name__ == "__main__":
    main()
