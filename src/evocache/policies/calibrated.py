"""What calibrated policies read: matrices of a run's calibration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import CodecError, PolicyError
from ..schedule.strict_json import read_text
from .base import Policy

Matrices = Mapping[str, npt.NDArray[np.float64]]
"""By component, or group of them, a (steps, steps) matrix: row, the step computed; column, the step it is used at."""

CALIBRATION = "calibration.json"


def read(policy: Policy, calibration: str, part: str) -> Matrices:
    """A part of the calibration of a run: `errors` by group of layers, `drift` by component.

    Args:
        policy: who asks.
        calibration: the run's folder, or the file in it.
        part: its name in the file.

    Raises:
        PolicyError: if there is none.
    """
    example = policy.usage.replace("FILE", "FOLDER")
    mend = f"run `evocache evolve`, whose folder holds one, and write {example}"
    if not calibration:
        raise PolicyError(f"{policy.spec} without a calibration", "a run's folder as the last parameter", mend)
    path = Path(calibration)
    file = path / CALIBRATION if path.is_dir() else path
    try:
        return {name: unpacked(rows) for name, rows in json.loads(read_text(file))[part].items()}
    except (CodecError, ValueError, KeyError, TypeError, AttributeError):
        raise PolicyError(f"{str(file)!r}", "the calibration of a run", mend) from None


def spec_of(policy: Policy, *values: object) -> str:
    """The spec of a policy with these parameters and the calibration that it reads, if that is a file."""
    return f"{policy.name}:{','.join(str(value) for value in values if value != '')}"


def packed(matrix: npt.NDArray[np.float64]) -> list[list[float]]:
    """What is read of a (steps, steps) matrix, to four significant digits: each row right of the diagonal."""
    return [[float(f"{value:.4g}") for value in row[i + 1 :]] for i, row in enumerate(matrix)]


def unpacked(rows: list[list[float]]) -> npt.NDArray[np.float64]:
    """The inverse of `packed`, zero elsewhere.

    Raises:
        ValueError: if the rows do not get shorter one by one, or hold what is no number from 0.
    """
    out = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows):
        out[i, i + 1 :] = np.array(row, dtype=float).reshape(len(rows) - i - 1)
    if not rows or not np.isfinite(out).all() or (out < 0).any():
        raise ValueError("no drift")
    return out
