"""What calibration learned of a pipeline, and the file that keeps it in a run's folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import RunError
from ..policies.calibrated import CALIBRATION, packed, unpacked
from ..policies.smoothcache import Errors
from ..schedule.strict_json import read_text, write_text
from .cost import Costs
from .drift import Drift
from .latency import Accuracy
from .rates import Rates

VERSION = 3
READ = (2, 3)
"""Versions that are read. In those of version 2 nothing is known of other numbers of steps: see `Costs.varies`."""


@dataclass(frozen=True)
class Calibration:
    """What was learned of a pipeline on a workload.

    Attributes:
        steps: denoising steps of a generation.
        costs: of the components, and of whole generations.
        drift: by component (leaves, blocks, spans, deep parts, denoisers), (steps, steps) relative squared distances
            of the feature that is cached: row, the step computed; column, the step used.
        errors: relative L1 distances of the leaves, averaged by kind; what `SmoothCache` takes.
        accuracy: how well predicted latency agrees with the clock.
        rates: what the machine takes for what keeps generations small; None where memory is not searched.
    """

    steps: int
    costs: Costs
    drift: Drift
    errors: Errors = field(default_factory=dict)
    accuracy: Accuracy = field(default_factory=Accuracy)
    rates: Rates | None = None


def write_calibration(folder: Path, calibration: Calibration) -> None:
    """Write what was calibrated, so that a run that goes on sees the same prices and starts from the same seeds.

    Drift is rounded to four digits, and of each matrix only what lies above the diagonal is kept.
    """
    costs = calibration.costs
    document: dict[str, Any] = {
        "format": "evocache.calibration",
        "version": VERSION,
        "steps": calibration.steps,
        "costs": {name: value for name, value in vars(costs).items() if not name.startswith("_")},
        "accuracy": asdict(calibration.accuracy),
        "errors": {name: packed(matrix) for name, matrix in calibration.errors.items()},
        "drift": {id: packed(matrix) for id, matrix in calibration.drift.items()},
    }
    if calibration.rates is not None:
        document["rates"] = asdict(calibration.rates)
    write_text(folder / CALIBRATION, json.dumps(document, separators=(",", ":")) + "\n")


def read_calibration(folder: Path) -> Calibration | None:
    """What was calibrated in an earlier sitting; None if nothing was.

    Raises:
        RunError: if the file is damaged, or of another version.
    """
    file = folder / CALIBRATION
    if not file.exists():
        return None
    try:
        document = json.loads(read_text(file))
        if document["version"] not in READ:
            raise KeyError("version")
        return Calibration(
            int(document["steps"]),
            Costs(**document["costs"]),
            {id: unpacked(rows) for id, rows in document["drift"].items()},
            {name: unpacked(rows) for name, rows in document["errors"].items()},
            Accuracy(**document["accuracy"]),
            _rates(document["rates"]) if "rates" in document else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RunError(f"{str(file)!r}", "the calibration of a run", "remove it, or use a new folder") from None


def _rates(document: dict[str, Any]) -> Rates:
    codings = {str(name): (float(there), float(back)) for name, (there, back) in document["codings"].items()}
    return Rates(float(document["link"]), float(document["launch"]), float(document.get("flop", 0.0)), codings)
