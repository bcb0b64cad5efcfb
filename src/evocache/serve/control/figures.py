"""Figures of the desk, for operators: of each model, of the workers and of the door."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from .desk import Desk
from .run import Run


def gather_figures(desk: Desk, waiting: Collection[Run], running: Collection[Run]) -> dict[str, Any]:
    """Return gauges: of each model its state, level, wait and counts; how fast workers are, what is let in.

    `points` counts what was made by the labels of points, `owners` what waits and runs of each who asks, unnamed.

    Args:
        desk: that decides.
        waiting: runs that wait.
        running: runs that workers have.
    """
    waits, runs = (Counter(run.owner for run in some) for some in (waiting, running))
    models = {
        name: {
            "state": controller.state,
            "level": controller.level,
            "levels": controller.levels,
            "wait_seconds": desk.waits(name)[controller.level],
            "waiting": sum(run.task.model == name for run in waiting),
            "running": sum(run.task.model == name for run in running),
            "points": dict(desk.made[name]),
        }
        for name, controller in desk.controllers.items()
    }
    return {
        "models": models,
        "workers": desk.capacity.workers,
        "capacity": desk.capacity.rate,
        "open": len(desk.backlog),
        "bytes": desk.door.bytes,
        "refused": dict(desk.door.refused),
        "owners": sorted(([waits[one], runs[one]] for one in waits | runs), reverse=True),
    }
