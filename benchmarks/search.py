"""The search, held against ECAD's own: what each reaches for how many denoiser steps.

python -m benchmarks.search --method ecad --seed 0      # one run; it goes on where it was broken off
python -m benchmarks.search --method evocache --seed 0
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch

from evocache import zoo
from evocache.model import probe_pipeline
from evocache.search.api import CALIBRATION
from evocache.search.binary import ecad_seeds
from evocache.search.calibrate import calibrate
from evocache.search.calibration import read_calibration, write_calibration
from evocache.search.evaluate import LocalEvaluator
from evocache.search.evolution import Settings
from evocache.search.quality import quality
from evocache.search.run import Progress, Run
from evocache.search.seeds import all_seeds
from evocache.search.space import Space
from evocache.search.workload import Workload
from evocache.zoo.prompts import sample_prompts

STEPS = 20
PROMPTS = 16
EVALUATIONS = 2000


def call() -> dict[str, object]:
    """The call of the pipeline, one prompt."""
    return {"prompt": "red heart on a white background", **zoo.find("zoo:emoji").call_defaults}


def evaluator(seed: int) -> LocalEvaluator:
    """zoo:emoji on 16 prompts of a seed, judged by the latents."""
    call = dict(zoo.find("zoo:emoji").call_defaults)
    workload = Workload.of(sample_prompts(PROMPTS, seed), call, seed=1000 * seed)
    return LocalEvaluator(zoo.load("zoo:emoji"), workload, quality("latent"))


def ecad(seed: int, folder: Path, over: Callable[[Progress], bool]) -> None:
    """ECAD's setting: 2,000 evaluations of 16 prompts; operations are its cost."""
    own = evaluator(seed)
    flops = probe_pipeline(own.pipe, call()).exclusive("flops")
    space = Space(own.tree, STEPS)
    run = Run(
        folder,
        space,
        ecad_seeds(space),
        Settings.ecad(prompts=PROMPTS, seed=seed),
        lambda schedule: {"macs": schedule.cost(flops) / 2},
        own,
        identity={"prompts": list(own.workload.prompts)},
    )
    run.evolve(lambda progress: over(progress) or progress.state.jobs >= EVALUATIONS)


def evocache(seed: int, folder: Path, over: Callable[[Progress], bool], most: float) -> None:
    """Our search, with its calibration, for `most` denoiser steps."""
    own = evaluator(seed)
    calibration = read_calibration(folder)
    if calibration is None:
        calibration = calibrate(own, range(CALIBRATION))
        write_calibration(folder, calibration)
    costs = calibration.costs
    run = Run(
        folder,
        Space(own.tree, STEPS),
        all_seeds(own.tree, calibration),
        Settings(prompts=PROMPTS, seed=seed),
        lambda schedule: {"latency": costs.latency(schedule)},
        own,
        identity={"prompts": list(own.workload.prompts)},
    )
    run.evolve(lambda progress: over(progress) or progress.state.step_equivalents >= most)


def main() -> None:
    """Run one method with one seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=["ecad", "evocache"], required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path(".cache/search"))
    parser.add_argument("--most", type=float, default=40_000.0, help="denoiser steps that our search may take")
    parser.add_argument("--sitting", type=float, help="seconds after which to break off; the next call goes on")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = options.work / f"{options.method}-{options.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()

    def over(progress: Progress) -> bool:
        state = progress.state
        figures = f"{state.jobs} evaluations, {state.step_equivalents:.0f} steps, {state.hypervolume:.4f}"
        print(f"{progress.seconds:.0f} s: {figures}", flush=True)
        return options.sitting is not None and time.perf_counter() - began > options.sitting

    if options.method == "ecad":
        ecad(options.seed, folder, over)
    else:
        evocache(options.seed, folder, over, options.most)


if __name__ == "__main__":
    main()
