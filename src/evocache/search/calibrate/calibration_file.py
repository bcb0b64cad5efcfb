"""What calibration learned of a pipeline, and the file that keeps it in a run's folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...errors import CodecError, RunError, short
from ...policies.base.calibration_matrices import CALIBRATION, pack_matrix, unpack_matrices
from ...policies.calibrated.smoothcache import Errors
from ...schedule.io import strict_json as sj
from ...schedule.size_limits import MAX_STEPS
from ..cost.hardware_rates import Rates
from ..cost.latency_model import Accuracy
from ..cost.schedule_cost import Costs
from .drift import Drift

FORMAT = "evocache.calibration"
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
        "format": FORMAT,
        "version": VERSION,
        "steps": calibration.steps,
        "costs": {name: value for name, value in vars(costs).items() if not name.startswith("_")},
        "accuracy": asdict(calibration.accuracy),
        "errors": {name: pack_matrix(matrix) for name, matrix in calibration.errors.items()},
        "drift": {id: pack_matrix(matrix) for id, matrix in calibration.drift.items()},
    }
    if calibration.rates is not None:
        document["rates"] = asdict(calibration.rates)
    sj.write_text(folder / CALIBRATION, json.dumps(document, separators=(",", ":")) + "\n")


def read_calibration(folder: Path) -> Calibration | None:
    """Read what was calibrated in an earlier sitting; None if nothing was.

    Raises:
        RunError: if the file is damaged, or of another version.
    """
    file = folder / CALIBRATION
    if not file.exists():
        return None
    try:
        return _calibration(sj.read(file))
    except (CodecError, KeyError) as error:
        why = f"no {error}" if isinstance(error, KeyError) else f"{error.given}, where {error.expected} is due"
        given, mend = f"{str(file)!r} ({why})", "remove it, or use a new folder"
        raise RunError(given, "the calibration of a run", mend) from None


def _calibration(document: dict[str, Any]) -> Calibration:
    version = sj.read_integer(document["version"], "version", 1, 10**9)
    if document.get("format") != FORMAT or version not in READ:
        expected = f"{FORMAT} of version {' or '.join(map(str, READ))}"
        raise CodecError(f"{short(document.get('format'))} of version {version}", expected, "calibrate again")
    return Calibration(
        sj.read_integer(document["steps"], "steps", 1, MAX_STEPS),
        _costs(sj.read_object(document["costs"], "costs")),
        unpack_matrices(document["drift"], "drift"),
        unpack_matrices(document["errors"], "errors"),
        _accuracy(sj.read_object(document["accuracy"], "accuracy")),
        _rates(sj.read_object(document["rates"], "rates")) if "rates" in document else None,
    )


def _costs(document: dict[str, Any]) -> Costs:
    sj.check_keys(document, "costs", ("seconds", "flops", "sizes"), ("calls", "fixed", "calls_at", "weights"))
    sizes = sj.read_object(document["sizes"], "sizes").items()
    calls_at = sj.read_object(document.get("calls_at", {}), "calls_at").items()
    return Costs(
        sj.read_numbers(document["seconds"], "seconds"),
        sj.read_numbers(document["flops"], "flops"),
        {id: sj.read_integer(size, f"the size of {short(id)}", 0, 1 << 60) for id, size in sizes},
        sj.read_integer(document.get("calls", 1), "calls", 0, MAX_STEPS),
        sj.read_number(document.get("fixed", 0.0), "fixed"),
        {name: [sj.read_number(n, "calls_at") for n in sj.read_list(counts, "calls_at")] for name, counts in calls_at},
        sj.read_numbers(document.get("weights", {}), "weights"),
    )


def _accuracy(document: dict[str, Any]) -> Accuracy:
    counts, shares = ("fitted", "checked"), ("median", "largest", "scatter")
    sj.check_keys(document, "accuracy", (), (*counts, *shares))
    return Accuracy(
        *(sj.read_integer(document.get(name, 0), name, 0, 10**9) for name in counts),
        *(sj.read_number(document.get(name, 0.0), name) for name in shares),
    )


def _rates(document: dict[str, Any]) -> Rates:
    codings = {}
    for name, pair in sj.read_object(document["codings"], "codings").items():
        where = f"{short(name)} in codings"
        if len(sj.read_list(pair, where)) != 2:
            raise CodecError(f"{len(pair)} numbers for {where}", "two", "calibrate again")
        codings[name] = (sj.read_number(pair[0], where), sj.read_number(pair[1], where))
    link, launch = (sj.read_number(document[name], name) for name in ("link", "launch"))
    return Rates(link, launch, sj.read_number(document.get("flop", 0.0), "flop"), codings)
