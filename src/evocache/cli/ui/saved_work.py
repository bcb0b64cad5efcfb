"""What a schedule saves on paper: operations of a generation by kind of component, uncached and executed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from ...metrics.cost import Work
    from ...model.probe import Probe
    from ...schedule import Schedule


def count_work(schedule: Schedule, probe: Probe) -> dict[str, Work]:
    """Count operations by kind, and `together`."""
    from ...metrics.cost import Work, work_by_kind

    kinds = work_by_kind(schedule, probe)
    sums = [sum(column) for column in zip(*kinds.values(), strict=True)]
    return {**kinds, "together": Work(*sums)}


def describe_work(work: Mapping[str, Work]) -> dict[str, Any]:
    """Return FLOPs and MACs (multiply-adds, two FLOPs each), for machines."""
    all_ = work["together"]
    return {
        "flops": all_.executed,
        "uncached_flops": all_.uncached,
        "macs": all_.executed / 2,
        "uncached_macs": all_.uncached / 2,
        "flops_fraction": _divide(all_.executed, all_.uncached),
        "flops_by_kind": {kind: found._asdict() for kind, found in work.items() if kind != "together"},
    }


def tabulate_work(work: Mapping[str, Work], steps: int, width: int) -> Table:
    """Make a table with a line a kind: FLOPs and MACs uncached and executed, their shares, and how much is executed."""
    from ...tables import Column, in_flops, in_percent, table

    heads = ("uncached", "", "share", "executed", "", "share", "of it")
    ranks = (0, 2, 1, 0, 2, 1, 0)
    columns = [Column(f"{steps} steps", style="cyan")]
    columns += [Column(head, numeric=True, rank=rank) for head, rank in zip(heads, ranks, strict=True)]
    all_ = work["together"]
    rows: list[list[str] | None] = []
    for kind, found in work.items():
        cells = [kind.replace("_", "-")]
        for value, whole in zip(found, all_, strict=True):
            cells += [in_flops(value), in_flops(value / 2).replace("FLOP", "MAC"), in_percent(_divide(value, whole))]
        rows += [None] if kind == "together" else []
        rows.append([*cells, in_percent(_divide(found.executed, found.uncached))])
    return table(columns, rows, width=width)


def _divide(part: float, whole: float) -> float:
    return part / whole if whole else 1.0
