"""What a generation costs on paper: floating-point operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..schedule import LEAF_KINDS, Schedule

if TYPE_CHECKING:
    from ..model.probe import Probe


def flops(schedule: Schedule, probe: Probe) -> float:
    """Return the floating-point operations of the denoiser calls of one generation, with one call a step.

    Guidance in one batch is within the probe's figures; guidance by a second call doubles the result.
    """
    return schedule.cost(probe.exclusive("flops"))


OTHER = "other"
"""What no schedule of leaves skips: embeddings, norms, modulation, changes of resolution, the last layer."""


class Work(NamedTuple):
    """Floating-point operations of a generation: of the uncached one, and of what a schedule executes."""

    uncached: float
    executed: float


def work_by_kind(schedule: Schedule, probe: Probe) -> dict[str, Work]:
    """Count the work of the leaves of each kind, and all else as `other`; together that is all, as `flops` has it."""
    costs: dict[str, dict[str, float]] = {}
    own = probe.exclusive("flops")
    for component in probe.model.tree:
        kind = component.kind if component.is_leaf else OTHER
        costs.setdefault(kind, {})[component.id] = own[component.id]
    order = [kind for kind in (*LEAF_KINDS, OTHER) if kind in costs]
    return {k: Work(schedule.steps * sum(costs[k].values()), schedule.cost(costs[k])) for k in order}
