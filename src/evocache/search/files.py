"""What a run's folder holds beside its journal: the calibration and the front."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RunError
from ..schedule import dumps, loads
from ..schedule.front import Front, Point
from ..schedule.strict_json import read_text, write_text
from .cost import Costs
from .seeds import Drift

FRONT = "front.json"
CALIBRATION = "calibration.json"
VERSION = 1


def write_front(folder: Path, front: Front, baselines: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a front and what it was measured against to `front.json` in a folder."""
    points = [
        {
            "schedule": json.loads(dumps(point.schedule)),
            "objectives": dict(point.objectives),
            "measured": dict(point.measured),
        }
        for point in front
    ]
    document = {"format": "evocache.front", "version": VERSION, "points": points, "baselines": dict(baselines)}
    write_text(folder / FRONT, json.dumps(document, indent=1) + "\n")


def read_front(path: str | Path) -> tuple[Front, dict[str, dict[str, Any]]]:
    """The front of a run folder or a `front.json`, and what it was measured against.

    Raises:
        RunError: if there is none, or it is of another version.
        CodecError: if a schedule in it is damaged.
    """
    file = Path(path) / FRONT if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise RunError(f"{str(path)!r} without a front", "a run that has ended", "evolve it to its end first")
    try:
        document = json.loads(read_text(file))
        if document["format"] != "evocache.front" or document["version"] != VERSION:
            raise KeyError("version")
        points = [
            Point(
                loads(json.dumps(p["schedule"])),
                {k: float(v) for k, v in p["objectives"].items()},
                {k: float(v) for k, v in p["measured"].items()},
            )
            for p in document["points"]
        ]
        return Front(tuple(points)), dict(document["baselines"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RunError(f"{str(file)!r}", f"a front of version {VERSION}", "evolve again into a new folder") from None


def write_calibration(folder: Path, costs: Costs, drift: Drift, steps: int) -> None:
    """Write what was calibrated, so that a run that goes on sees the same prices and starts from the same seeds."""
    document = {
        "version": VERSION,
        "steps": steps,
        "costs": vars(costs),
        "drift": {k: v.tolist() for k, v in drift.items()},
    }
    write_text(folder / CALIBRATION, json.dumps(document) + "\n")


def read_calibration(folder: Path) -> tuple[Costs, Drift, int] | None:
    """What was calibrated in an earlier sitting; None if nothing was.

    Raises:
        RunError: if the file is damaged.
    """
    file = folder / CALIBRATION
    if not file.exists():
        return None
    try:
        document = json.loads(read_text(file))
        costs = Costs(**document["costs"])
        return costs, {k: np.array(v, dtype=float) for k, v in document["drift"].items()}, int(document["steps"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RunError(f"{str(file)!r}", "the calibration of a run", "remove it, or use a new folder") from None
