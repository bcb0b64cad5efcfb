"""What video pipelines hold in full size: as they are, cached as DeepCache's helper stores, and ours.

    python -m benchmarks.memory [--only REGEX] [--out NAME]

Estimated, not measured: the pipelines' own code runs from the prompt to the decoded frames with all weights and
activations on the meta device. Of a stage, the most that is alive at one time is counted: weights, activations, cached
features; not the allocator's fragments, nor what a kernel takes and gives back within itself. `tests/runtime/
test_budget.py` holds such estimates against measured peaks of small models.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.environment import write
from benchmarks.memory.helper import helper_bytes
from benchmarks.memory.models import MODELS, FullSize
from evocache import discover
from evocache.errors import BudgetError
from evocache.memory.planner.footprint import Footprint
from evocache.memory.planner.planner import Machine, MemoryPlan, plan, smallest
from evocache.runtime.compiled import Compiled
from evocache.runtime.estimate.dry_run import dry_run
from evocache.runtime.estimate.estimate import detailed, footprint
from evocache.runtime.program.program import resolve

MACHINE = Machine(link=12e9, launch=10e-6)
"""PCIe 3 x16 as it is reached, and a CUDA launch."""

BUDGETS = (5.0, 5.559, 8.0, 10.0, 13.937, 16.0, 24.0)
"""GB; those with three digits are what LightCache's paper reports (arXiv 2510.05367)."""


def stages(found: MemoryPlan) -> dict[str, Any]:
    """A plan in GB, by stage."""
    return {
        name: {
            **{part: round(size / 1e9, 3) for part, size in held._asdict().items()},
            "all": round(held.bytes / 1e9, 3),
        }
        for name, held in found.stages.items()
    } | {"peak": round(found.peak / 1e9, 3)}


def told(found: MemoryPlan) -> dict[str, Any]:
    """A plan and what it costs."""
    return {
        **stages(found),
        "offload": found.offload,
        "slices": sum(map(len, found.cuts.values())),
        "decode slices": [cut.slices for cut in found.decode.cuts.values()] if found.decode else [],
        "moved GB": round(found.moved / 1e9, 3),
        "seconds": round(found.seconds, 3),
    }


def budgets(made: Footprint) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """For each budget, the fastest plan; None where none fits."""
    for budget in BUDGETS:
        try:
            yield f"{budget} GB", told(plan(made, int(budget * 1e9), MACHINE))
        except BudgetError:
            yield f"{budget} GB", None


def estimate(model: FullSize) -> dict[str, Any]:
    """All figures of a model."""
    pipe = model.build()
    found = discover(pipe)
    out: dict[str, Any] = {}
    for spec in ("none", *model.policies):
        began = time.perf_counter()
        compiled = Compiled(found, resolve(spec))
        seen = dry_run(pipe, found, (), model.call)
        dry = time.perf_counter() - began
        made = detailed(footprint(pipe, compiled, seen), pipe, compiled, seen)
        row: dict[str, Any] = {"as it is": stages(plan(made, None))}
        row["least, nothing leaves the device"] = told(smallest(made, MACHINE, offload=False))
        row["least"] = told(smallest(made, MACHINE))
        row["budgets"] = dict(budgets(made))
        row["seconds of the dry run"] = round(dry, 2)
        row["seconds of the survey"] = round(time.perf_counter() - began - dry, 2)
        if spec == "none" and found.denoisers[0].unet is not None:
            (act, *_) = seen.acts["denoise"]
            row["features as DeepCache's helper stores them"] = round(
                helper_bytes(found, act.args, act.kwargs) / 1e9, 3
            )
        out[spec] = row
        print(f"{model.name} {spec}: {row['as it is']['peak']} GB as it is, {row['least']['peak']} GB at the least")
    return out


def main() -> None:
    """Estimate and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="regular expression of names")
    parser.add_argument("--out", default="memory", help="name of the result")
    given = parser.parse_args()
    write(given.out, {"models": {name: estimate(m) for name, m in MODELS.items() if re.search(given.only, name)}})


if __name__ == "__main__":
    main()
