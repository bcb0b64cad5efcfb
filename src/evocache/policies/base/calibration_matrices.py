"""What calibrated policies read: matrices of a run's calibration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import CodecError, PolicyError, short
from ...schedule.io import strict_json as sj
from ...schedule.size_limits import MAX_STEPS
from .policy import Policy

Matrices = Mapping[str, npt.NDArray[np.float64]]
"""By component, or group of them, a (steps, steps) matrix: row, the step computed; column, the step it is used at."""

CALIBRATION = "calibration.json"


def read_matrices(policy: Policy, calibration: str, part: str) -> Matrices:
    """Return a part of the calibration of a run: `errors` by group of layers, `drift` by component.

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
        return unpack_matrices(sj.read(file).get(part), part)
    except CodecError as error:
        given = f"{str(file)!r} ({error.given}, where {error.expected} is due)"
        raise PolicyError(given, "the calibration of a run", mend) from None


def write_spec(policy: Policy, *values: object) -> str:
    """Return the spec of a policy with these parameters and the calibration that it reads, if that is a file."""
    return f"{policy.name}:{','.join(str(value) for value in values if value != '')}"


def pack_matrix(matrix: npt.NDArray[np.float64]) -> list[list[float]]:
    """Return what is read of a (steps, steps) matrix, to four significant digits: each row right of the diagonal."""
    return [[float(f"{value:.4g}") for value in row[i + 1 :]] for i, row in enumerate(matrix)]


def unpack_matrices(value: Any, where: str) -> Matrices:
    """Return the matrices of a document, by name.

    Raises:
        CodecError: if they are none.
    """
    return {
        name: unpack_matrix(rows, f"{short(name)} in {where}") for name, rows in sj.read_object(value, where).items()
    }


def unpack_matrix(rows: Any, where: str) -> npt.NDArray[np.float64]:
    """Invert `pack_matrix`, zero elsewhere; what `pack_matrix` does not make is refused before room is made for it.

    Raises:
        CodecError: if the rows do not get shorter one by one, or hold what is no number from 0.
    """
    count = len(sj.read_list(rows, where))
    if not 1 <= count <= MAX_STEPS or any(len(sj.read_list(row, where)) != count - i - 1 for i, row in enumerate(rows)):
        given = f"{count} rows for {where}"
        raise CodecError(given, "rows that get shorter one by one", "calibrate again")
    out = np.zeros((count, count))
    for i, row in enumerate(rows):
        out[i, i + 1 :] = [sj.read_number(entry, where) for entry in row]
    if (out < 0).any():
        raise CodecError(f"a number below 0 in {where}", "numbers from 0", "calibrate again")
    return out
