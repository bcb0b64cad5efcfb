"""Where files go that memory has no room for: on a disk, and not in memory again."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

IN_MEMORY = ("tmpfs", "ramfs")
"""File systems that keep files in memory."""

LASTING = "/var/tmp"
"""The folder of temporary files that may be large (Filesystem Hierarchy Standard 3.0, 5.15)."""


def choose_folder() -> str:
    """Return the folder of temporary files; `/var/tmp`, where that is a disk and the other is memory."""
    usual = tempfile.gettempdir()
    if is_in_memory(usual) and os.access(LASTING, os.W_OK | os.X_OK) and not is_in_memory(LASTING):
        return LASTING
    return usual


def is_in_memory(folder: str | os.PathLike[str], mounts: str | os.PathLike[str] = "/proc/self/mountinfo") -> bool:
    """Return whether a folder is in memory, as far as that can be told.

    Args:
        folder: the folder.
        mounts: Linux's list of what is mounted (proc_pid_mountinfo(5)).
    """
    try:
        device = os.stat(folder).st_dev
        lines = Path(mounts).read_text().splitlines()
    except OSError:
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    halves = (line.partition(" - ") for line in lines)
    return any(first.split()[2:3] == [number] and last.startswith(IN_MEMORY) for first, _, last in halves)
