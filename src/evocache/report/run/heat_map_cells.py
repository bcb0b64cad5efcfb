"""A schedule's cells for a heat map, and in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...schedule import KINDS, Schedule

COMPUTE, REUSE, IDLE = "C", "R", "."
"""Letters of cells; a forecast is the digit of its order, and `IDLE` lies within what is skipped."""


@dataclass(frozen=True)
class Cells:
    """A schedule as rows of letters.

    Attributes:
        rows: component ids.
        bands: of each row, the name of the neighbouring rows that it belongs to.
        heights: of each row; containers, which say more, are higher.
        letters: of each row, a letter a step.
        gains: of each row, the gains of its forecasts, in order of steps.
    """

    rows: tuple[str, ...]
    bands: tuple[str, ...]
    heights: tuple[float, ...]
    letters: tuple[str, ...]
    gains: tuple[tuple[float, ...], ...]


def arrange_cells(schedule: Schedule) -> Cells:
    """Return the cells of a schedule: containers that are reused or forecast, then leaves by kind, block by block."""
    components = schedule.components
    shown = [i for i, c in enumerate(components) if c.is_leaf or schedule.read[:, i].any()]
    order = {kind: number for number, kind in enumerate(KINDS)}
    shown.sort(key=lambda i: (components[i].denoiser, order[components[i].kind], i))
    several = len({components[i].denoiser for i in shown}) > 1
    assert schedule.gains is not None
    bands, letters, gains = [], [], []
    for i in shown:
        kind = components[i].kind.replace("_", " ")
        bands.append(f"{components[i].denoiser} {kind}" if several else kind)
        executed, read, orders = schedule.executed[:, i], schedule.read[:, i], schedule.orders[:, i]
        skipped = np.where(orders > 0, orders.astype(str), REUSE)
        row = np.where(executed, COMPUTE, np.where(read, skipped, IDLE)).tolist()
        letters.append("".join(row))
        gains.append(tuple(round(float(g), 3) for g, a in zip(schedule.gains[:, i], row, strict=True) if a.isdigit()))
    leaves = sum(components[i].is_leaf for i in shown)
    containers = len(shown) - leaves
    tall = max(1.0, leaves / (8 * max(containers, 1)))
    heights = tuple(1.0 if components[i].is_leaf else tall for i in shown)
    return Cells(tuple(components[i].id for i in shown), tuple(bands), heights, tuple(letters), tuple(gains))


def describe_schedule(schedule: Schedule) -> str:
    """Describe a schedule, for those who do not see its heat map."""
    found = arrange_cells(schedule)
    parts = [f"{schedule.steps} steps, {schedule.executed_fraction():.0%} of the leaves' executions."]
    for band in dict.fromkeys(found.bands):
        mine = [i for i, other in enumerate(found.bands) if other == band]
        share = sum(found.letters[i].count(COMPUTE) for i in mine) / (len(mine) * schedule.steps)
        if len(mine) == 1:
            name = found.rows[mine[0]].split("/", 1)[-1]
            steps = ", ".join(str(step) for step, letter in enumerate(found.letters[mine[0]]) if letter == COMPUTE)
            parts.append(f"{name} computes at steps {steps}.")
        else:
            parts.append(f"{band} ×{len(mine)}: {share:.0%} computed.")
    return " ".join(parts)
