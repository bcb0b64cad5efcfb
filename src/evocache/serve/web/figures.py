"""What a service is doing, in numbers alone: no prompt, no name of a user, a tenant or a key."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ...usage.patterns.drift import DriftPoint
from ..service import Service

FRESH = 2.0
"""Seconds that counts of the database are shown for before it is asked again."""


class Overview:
    """Gathers what an operator looks at.

    Args:
        service: that is looked at.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._jobs: dict[str, int] = {}
        self._looked = -FRESH

    async def gather(self) -> dict[str, Any]:
        """Return the figures of now; times are seconds ago.

        Raises:
            StoreError: if jobs cannot be counted.
        """
        service, now = self._service, time.monotonic()
        if now - self._looked >= FRESH:
            self._looked, self._jobs = now, dict(await service.background.count())
        figures = service.figures()
        engines = [only_numbers(engine) for engine in figures.pop("engines")]
        measured = figures.pop("audit")["points"]
        return {
            "uptime": round(time.time() - service.began, 1),
            "unready": service.unready(),
            **only_numbers(figures),
            "models": {card.name: {**_model(card.points, figures["models"].get(card.name, {}), card.seconds),
                                   "measured": measured_of(card.name, measured)}
                       for card in service.cards.values()},
            "engines": engines,
            "jobs": self._jobs,
            "drift": drift_of(service.reuse.records.drift.points),
            "transitions": [
                {
                    "ago": round(now - change.time, 1),
                    "model": change.model,
                    "before": list(change.before),
                    "after": list(change.after),
                    "wait": round(change.wait, 3),
                }
                for change in reversed(service.transitions)
            ],
        }  # fmt: skip


def drift_of(points: Sequence[DriftPoint]) -> dict[str, list[dict[str, float]]]:
    """Return changes of usage by what changed: how many seconds ago each was found, and means before and after it."""
    found: dict[str, list[dict[str, float]]] = {}
    for point in points:
        ago = 0.0 if point.time is None else round(max(0.0, time.time() - point.time), 1)
        change = {"ago": ago, "before": round(point.before, 4), "after": round(point.after, 4)}
        found.setdefault(point.of.replace(" ", "_"), []).append(change)
    return found


def measured_of(model: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what was measured of the points of a model, by their labels; of a LoRA's front with its name before."""
    return {
        f"{row['lora']} {row['label']}".strip(): {
            name: row[name] if row[name] is None else round(row[name], 2)
            for name in ("predicted", "mean", "worst", "samples")
        }
        for row in rows
        if row["model"] == model
    }


def _model(points: Any, figures: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    known = {
        name: figures[name]
        for name in ("state", "level", "levels", "wait_seconds", "waiting", "running")
        if name in figures
    }
    return {
        **known,
        "seconds": seconds,
        "points": dict(figures.get("points", {})),
        "front": [point.label for point in points],
    }


def only_numbers(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return those figures that are numbers, within mappings and lists as well; texts are left out.

    >>> only_numbers({"turns": 3, "last": "a fox", "alone": {"shapes": 1, "why": "a hen"}, "owners": [[1, "me"]]})
    {'turns': 3, 'alone': {'shapes': 1}, 'owners': [[1]]}
    """
    return {str(name): kept for name, value in figures.items() if (kept := _numbers(value)) is not None}


def _numbers(value: Any) -> Any:
    if isinstance(value, (bool, int, float)):
        return value if math.isfinite(value) else None  # JSON has no infinity
    if isinstance(value, Mapping):
        return only_numbers(value)
    if isinstance(value, (list, tuple)):
        return [kept for one in value if (kept := _numbers(one)) is not None]
    return None
