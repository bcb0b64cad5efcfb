"""A memory plan, as the command line, `print` and notebooks show it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ...tables import Column, plain, table
from ...units import format_bytes

if TYPE_CHECKING:
    from rich.table import Table

    from .planner import Held, MemoryPlan

PARTS = ("weights", "activations", "features", "together")


def stage_table(
    stages: Mapping[str, Held], before: Mapping[str, Held] | None = None, width: int | None = None
) -> Table:
    """Build the table of what each stage of a generation holds when it holds most.

    Args:
        stages: by name.
        before: the same as it is without a plan; left out where it is not known.
        width: columns of the terminal; what does not fit is left out.
    """
    ranks = {"activations": 2, "features": 1, "weights": 1}
    columns = [Column("stage", style="cyan")]
    columns += [Column(name, numeric=True, rank=ranks.get(name, 0)) for name in PARTS]
    columns += [] if before is None else [Column("as it is", numeric=True)]
    rows = []
    for name, held in stages.items():
        cells = [name, *map(format_bytes, (held.weights, held.activations, held.features, held.bytes))]
        rows.append(cells if before is None else [*cells, format_bytes(before[name].bytes)])
    return table(columns, rows, width=width)


def summary(plan: MemoryPlan, before: MemoryPlan | None = None) -> list[str]:
    """Say what comes of a plan, and what is done for it, as lines.

    Args:
        plan: the plan.
        before: that of the generation as it is; left out where it is not known.
    """
    if plan.budget is None:
        return [f"peak {format_bytes(plan.peak)}"]
    was = "" if before is None else f", as it is {format_bytes(before.peak)}"
    lines = [f"fits {format_bytes(plan.budget)}: peak {format_bytes(plan.peak)}{was}"]
    lines += [f"- {line}" for line in means(plan)]
    return lines + ([f"predicted to add {plan.seconds:.2g} s to a generation"] if plan.seconds else [])


def plan_text(plan: MemoryPlan, before: MemoryPlan | None = None, width: int | None = None) -> str:
    """Render a memory plan as `print` shows it."""
    if not plan.stages:
        stored = "as they are computed" if plan.storage == "none" else f"in {plan.storage}"
        return f"no memory is planned; features are stored {stored}"
    stages = None if before is None else before.stages
    return plain(stage_table(plan.stages, stages, width), "", *summary(plan, before), width=width)


def means(plan: MemoryPlan) -> Iterator[str]:
    """Say what is done to fit, in words."""
    if plan.offload:
        needed = [name for name, needing in plan.offload.items() if needing]
        if needed:
            yield f"on the device only in the stages that need them: {', '.join(needed)}"
        if idle := [name for name in plan.offload if name not in needed]:
            yield f"not on the device, for no stage needs them: {', '.join(idle)}"
    for name, cuts in plan.cuts.items():
        if cuts:
            counts = sorted({cut.slices for cut in cuts.values()})
            slices = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
            yield f"{len(cuts)} modules of {name} run in {slices} slices"
    if plan.capacity is not None:
        moved = f"{format_bytes(plan.moved)} move out and back"
        yield f"of features, each branch holds at most {format_bytes(plan.capacity)}; {moved}"
    for name, cut in _decode(plan).items():
        ways = [f"in {cut.slices} slices"] if cut.slices > 1 else []
        ways += ["group of frames by group"] if cut.slicing.groups else []
        yield f"{name} decodes {', '.join(ways)}"
    if not plan.offload and not any(plan.cuts.values()) and plan.capacity is None and not _decode(plan):
        yield "nothing has to be done"


def _decode(plan: MemoryPlan) -> Mapping[str, Any]:
    return plan.decode.cuts if plan.decode else {}
