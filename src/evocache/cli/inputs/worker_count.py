"""How many processes evaluate: as many as the user says, or as this machine has room for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..ui.machine_info import count_cores

BASE = 1 << 30
"""Bytes that a process with torch and diffusers takes, without a pipeline."""

SHARE = 0.8
"""Of the free memory that may be taken."""

WORTHWHILE = 120.0
"""Seconds below which an evolution is over before further processes have started to pay."""


def count_workers(wanted: str, pipe: Any, budget: float | None, most: int) -> int:
    """Return the number of processes that is meant by a number or `auto`.

    Args:
        wanted: what the user says.
        pipe: the pipeline, where it is to run.
        budget: seconds that they will work.
        most: more than so many would have nothing to do.

    Raises:
        InputError: if it is neither.
    """
    if check_count(wanted) == "auto":
        return 1 if budget is not None and budget < WORTHWHILE else max(1, min(most, count_room(pipe)))
    return int(wanted)


def check_count(wanted: str) -> str:
    """Check that a text is a number of processes or `auto`, and return it.

    Raises:
        InputError: if it is neither.
    """
    if wanted != "auto" and not re.fullmatch(r"0*[1-9][0-9]{0,3}", wanted):
        raise InputError(f"workers {wanted!r}", "a number from 1 to 9999, or auto", "try --workers 2")
    return wanted


def count_room(pipe: Any) -> int:
    """Count the processes that the machine has room for: one a GPU, or one a core while pipelines fit into memory."""
    import torch

    from ...model.pipeline_components import list_components

    if torch.device(getattr(pipe, "device", "cpu")).type == "cuda":
        return torch.cuda.device_count()
    parts = [part for part in list_components(pipe).values() if isinstance(part, torch.nn.Module)]
    weights = sum(tensor.nbytes for part in parts for tensor in (*part.parameters(), *part.buffers()))
    free = _read_free_memory()
    return count_cores() if free is None else min(count_cores(), int(SHARE * free / (BASE + 2 * weights)))


def _read_free_memory() -> int | None:
    """Read the bytes of memory that are available, as far as the system tells."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    figures = [int(line.split()[1]) for line in lines if line.startswith("MemAvailable")]
    return 1024 * figures[0] if figures else None
