"""How many bytes this process holds."""

from __future__ import annotations

import os
from pathlib import Path

import torch


def count_held_bytes(device: str) -> int:
    """Return the bytes that torch has taken of a GPU; for others, those of the process that are in memory.

    0 where the system does not tell.
    """
    if device.startswith("cuda"):
        return torch.cuda.memory_reserved(device)
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
