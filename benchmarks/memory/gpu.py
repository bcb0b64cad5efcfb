"""What video pipelines of full size hold and take on a GPU: untouched, under DeepCache's helper, ours, ours in less.

    python -m benchmarks.memory.gpu [--cases animatediff,svd] [--minutes 3.5] [--rounds 5]
    python -m benchmarks.memory.gpu --size tiny --device cpu --out FILE     # tries the benchmark itself, without a GPU

Weights are random, so pictures mean nothing; time and memory are real. What is held is the CUDA allocator's figure,
stage by stage, next to what was predicted. Rounds run all rows in changing order; ratios are taken within a round:
*speed-up* is over the untouched pipeline, of the whole call and of denoising alone; *lost* is the time that a budget
adds to the same schedule, as a share of the untouched time. A generation of more than `LONG` seconds is its own first
round. *Difference* is the largest one of a frame's values, which are in [0, 1], to the same schedule without a budget.
Other processes make the plans, without weights, while the GPU generates, unless they were made before
(`benchmarks.memory.ahead`). Results are written after every row.
"""

from __future__ import annotations

import argparse
import gc
import time

import torch
from diffusers.utils import logging as diffusers_logging

from benchmarks.environment import write
from benchmarks.memory.ahead import planners
from benchmarks.memory.gpu_rows import Found, Measured, Short
from benchmarks.memory.kernels import workspaces
from benchmarks.memory.rows import CASES
from benchmarks.memory.table import table
from evocache.memory.hardware import machine


def run(options: argparse.Namespace) -> Found:
    """All cases, as far as time goes."""
    began, names = time.monotonic(), options.cases.split(",")
    for name in names:
        if name not in CASES:
            raise SystemExit(f"{name}: expected some of {','.join(CASES)}")
    device = torch.device(options.device)
    if device.type == "cuda":
        device = torch.device("cuda", device.index or 0)
        options.device = str(device)
    costs = machine(device)
    head: Found = {
        "what": (__doc__ or "").partition("\n")[0],
        "size": options.size,
        "device": options.device,
        "machine": vars(costs),
    }
    done: list[Found] = []

    def left() -> float:
        return float(60 * options.minutes - (time.monotonic() - began))

    with planners(names, options.size == "tiny", costs, device.type, options.processes, options.plans) as ask:
        if device.type == "cuda":
            head["workspaces"] = workspaces(device, torch.float16)
        for name in names:
            found: Found = {"case": name}

            def save(result: Found, found: Found = found) -> None:
                found.update(result)
                write(options.out, {**head, "cases": [*done, found]}, quiet=True)

            try:
                if left() < options.least:
                    raise Short("no time")
                save(Measured(CASES[name], options, left, ask, save).run())
            except Exception as error:  # the cases after it have their turns
                found["error"] = f"{type(error).__name__}: {str(error)[:400]}"
            done.append(found)
            found["seconds left after it"] = round(left(), 1)
            gc.collect()
            if device.type == "cuda":
                torch.cuda.empty_cache()
            print(table(found), flush=True)
    result = {**head, "seconds": round(time.monotonic() - began, 1), "cases": done}
    write(options.out, result)
    return result


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="animatediff,svd,text-to-video-sd", help=f"some of {','.join(CASES)}")
    parser.add_argument("--size", choices=("full", "tiny"), default="full", help="tiny tries the benchmark itself")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=3.5, help="nothing is begun that would take longer")
    parser.add_argument("--least", type=float, default=15.0, help="seconds that must be left to begin with a case")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=4, help="that make plans meanwhile")
    parser.add_argument("--plans", help="file of plans that were made before, by `python -m benchmarks.memory.ahead`")
    parser.add_argument("--out", default="memory-gpu", help="name of the result")
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("no GPU here, so nothing was measured; --size tiny --device cpu tries the benchmark itself")
        return
    diffusers_logging.set_verbosity_error()
    run(options)


if __name__ == "__main__":
    main()
