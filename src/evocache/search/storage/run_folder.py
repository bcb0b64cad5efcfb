"""The folder of a run."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ...errors import RunError


def make_run_folder(out: str | Path | None) -> Path:
    """Make the folder of a run where it does not exist, a temporary one where none is named.

    Raises:
        RunError: if it cannot be written.
    """
    folder = Path(out) if out is not None else Path(tempfile.mkdtemp(prefix="evocache-run-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass  # better found out now than when the calibration is to be written
    except OSError as error:
        raise RunError(
            f"{folder} ({(error.strerror or 'cannot be written').lower()})",
            "a folder that can be written",
            "choose another",
        ) from None
    return folder
