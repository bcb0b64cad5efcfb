"""How long it takes to plan memory, from a schedule and the sizes of its features to the plan and to what moves when.

    python -m benchmarks.planner [--rounds 15] [--steps 50] [--components 2000]

The schedule is random: every leaf computes, reuses or forecasts with order 1 or 2 at every step, each with the same
chance. Two branches store features, as with guidance, and each of 40 blocks can be run in up to 32 slices. The budget
leaves room for half of the features beside the activations as they are. Features are all of one size, or of four.

Beside the time by the clock stands the process's own: other programs do not add to it, though they slow it down.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.environment import write
from benchmarks.timing import summarise, take
from evocache.memory.planner.footprint import BranchFootprint, CallPrint, Choice, Footprint, Stage, UnitPrint
from evocache.memory.planner.planner import MemoryPlan, plan
from evocache.memory.swapping.transfer_tape import Tape, uses
from evocache.runtime.program.plan import Plan
from evocache.schedule import Component, Schedule, Tree, liveness

BLOCKS = 40
MB = 1 << 20


def random_schedule(steps: int, components: int, seed: int = 0) -> Schedule:
    """Random leaves in blocks that always run: the most values that so many components can store."""
    out = [Component("net", "denoiser")]
    for block in range(BLOCKS):
        name = f"net/b.{block}"
        leaves = len(range(block, components - BLOCKS - 1, BLOCKS))
        out.append(Component(name, "block", block, "net"))
        out += [Component(f"{name}.{leaf}", "attention", block, name) for leaf in range(leaves)]
    tree = Tree(tuple(out))
    orders = np.random.default_rng(seed).choice([-1, 0, 1, 2], (steps, len(tree)), p=[1 / 3, 1 / 3, 1 / 6, 1 / 6])
    orders[:, [i for i, c in enumerate(tree) if not c.is_leaf]] = -1
    return Schedule.repaired(tree, orders.astype(np.int8))


def footprint(branches: tuple[BranchFootprint, ...], steps: int) -> Footprint:
    """A denoiser of equal blocks between an encoder and a decoder, on a machine on which moves are in the way."""
    choices = tuple(Choice({}, 600 * MB // n + 40 * MB, 60 * n) for n in (1, 2, 4, 8, 16, 32))
    units = tuple(UnitPrint(f"b.{i}", (100 + 3 * (i % 7)) * MB, choices) for i in range(BLOCKS))
    ends = [Stage((name,), (Choice({}, 900 * MB, 300),)) for name in ("text", "vae")]
    weights = {"text": 500 * MB, "net": 4000 * MB, "vae": 200 * MB}
    return Footprint(weights, 0, ends[0], {"net": CallPrint(200 * MB, units)}, ends[1], 2 * steps, 0.0, branches)


def measure(schedule: Schedule, sizes: dict[str, int], rounds: int) -> dict[str, Any]:
    """Times of each part of the way, and what was planned."""
    order = list(sizes)

    def planned() -> MemoryPlan:
        lives = uses(schedule, sizes, order)[2]
        return plan(footprint((BranchFootprint(lives), BranchFootprint(lives)), schedule.steps), budget)

    lives = uses(schedule, sizes, order)[2]
    print_ = footprint((BranchFootprint(lives), BranchFootprint(lives)), schedule.steps)
    whole = plan(print_, None)
    budget = whole.peak - whole.stages["denoise"].features // 2
    found = planned()
    share = found.capacity or 0
    jobs: dict[str, Callable[[], Any]] = {
        "reads and values": lambda: (liveness.find_reads(schedule), liveness.find_values(schedule)),
        "uses": lambda: uses(schedule, sizes, order),
        "plan": lambda: plan(print_, budget),
        "schedule to plan": planned,
        "tape": lambda: Tape.of(schedule, sizes, order, share),
        "rows": lambda: Plan.compile(schedule),
    }
    taken = {name: timed(job, rounds) for name, job in jobs.items()}
    return {
        "cells": schedule.orders.size,
        "values": len(liveness.find_values(schedule)),
        "features": whole.stages["denoise"].features,
        "capacity": share,
        "moved": found.moved,
        "offload": found.offload,
        "seconds": {name: wall for name, (wall, _) in taken.items()},
        "processor_seconds": {name: own for name, (_, own) in taken.items()},
    }


def timed(job: Callable[[], Any], rounds: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Medians and quartiles of the seconds that a job takes: by the clock, and of the process's own time."""
    taken = [take(job) for _ in range(rounds)]
    return summarise([found.clock for found in taken]), summarise([found.processors for found in taken])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--components", type=int, default=2000)
    parser.add_argument("--name", default="planner")
    options = parser.parse_args()
    schedule = random_schedule(options.steps, options.components)
    ids = [c.id for c in schedule.components]
    cases = {
        "features of one size": dict.fromkeys(ids, MB),
        "features of four sizes": {id: MB << (i % 4) for i, id in enumerate(ids)},
    }
    results = [{"case": name, **measure(schedule, sizes, options.rounds)} for name, sizes in cases.items()]
    for result in results:
        print(result)
    write(options.name, {"what": (__doc__ or "").split("\n", 1)[0], "seed": 0, "cases": results})


if __name__ == "__main__":
    main()
