"""Plans as figures: what one predicts and does, and what distinguishes it from another."""

from __future__ import annotations

from typing import Any

from evocache.memory.planner.planner import MemoryPlan


def describe_plan(plan: MemoryPlan) -> dict[str, Any]:
    """What a plan predicts and does, in bytes."""
    return {
        "predicted": {name: {**held._asdict(), "all": held.bytes} for name, held in plan.stages.items()},
        "predicted peak": plan.peak,
        "offload": plan.offload,
        "slices": sum(map(len, plan.cuts.values())),
        "decode slices": [cut.slices for cut in plan.decode.cuts.values()] if plan.decode else [],
        "to be moved": plan.moved,
        "predicted seconds lost": round(plan.seconds, 4),
    }


def way_of(plan: MemoryPlan) -> tuple[Any, ...]:
    """What distinguishes how a plan is carried out."""
    cuts = {name: cut for name, cut in plan.cuts.items() if cut}
    return cuts, plan.offload, plan.decode.cuts if plan.decode else {}, plan.capacity
