"""Processes below another one, free ports, and waiting."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path


def below(process: int) -> set[int]:
    """Ids of the processes that one began, and of those that these began."""
    found: set[int] = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == process:
                found |= {int(folder.name), *below(int(folder.name))}
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never was"
        time.sleep(0.1)
