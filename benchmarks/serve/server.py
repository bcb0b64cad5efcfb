"""A server in processes of its own, and what it takes of the processors."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx

TICKS = os.sysconf("SC_CLK_TCK")

TRIES = 20
"""Times that a request is sent that is refused."""

PATIENCE = 180.0
"""Seconds that a server may take to be ready."""


class Server:
    """A server that runs.

    Args:
        process: its own; workers are its children.
        address: such as `http://127.0.0.1:40123`.

    Attributes:
        refused: times that it refused a request of `generate`.
    """

    def __init__(self, process: subprocess.Popen[bytes], address: str) -> None:
        self.process, self.address = process, address
        self.refused = 0

    def processors(self) -> float:
        """Return the processor seconds of the server and its workers so far."""
        return sum(_seconds(pid) for pid in _tree(self.process.pid))

    def resident(self) -> int:
        """Return the bytes that the server and its workers hold."""
        return sum(_resident(pid) for pid in _tree(self.process.pid))

    def generate(self, client: httpx.Client, prompt: str, **body: Any) -> dict[str, Any]:
        """Ask for a picture, again when it says so where it is refused, and return the account of it.

        Raises:
            httpx.HTTPStatusError: if it fails, or is refused `TRIES` times.
        """
        for _ in range(TRIES):
            answer = client.post(f"{self.address}/v1/images/generations", json={"prompt": prompt, **body})
            if answer.status_code != 429:
                break
            self.refused += 1
            time.sleep(float(answer.headers["retry-after"]))
        answer.raise_for_status()
        account: dict[str, Any] = answer.json()["evocache"]["pictures"][0]
        return account


def serving(*options: str, threads: int = 1) -> AbstractContextManager[Server]:
    """Run `evocache serve` with options, ready for requests, and end it."""
    return running([sys.executable, "-m", "evocache.cli", "serve", "--port", "0", "--threads", str(threads), *options])


@contextmanager
def running(command: Sequence[str], ready: str = "/readyz") -> Iterator[Server]:
    """Run a server that writes its address, until its path `ready` answers, and end it."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1"}
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+b") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            yield Server(process, _ready(process, Path(log.name), ready))
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _ready(process: subprocess.Popen[bytes], log: Path, ready: str) -> str:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        found = re.search(r"http://[\w.\[\]:]+:\d+", log.read_text(errors="replace"))
        if found is not None:
            try:
                if httpx.get(f"{found[0]}{ready}", timeout=5).status_code == 200:
                    return found[0]
            except httpx.TransportError:
                pass
        time.sleep(0.1)
    raise RuntimeError(f"no server: {log.read_text(errors='replace')[-2000:]}")


def _tree(pid: int) -> Sequence[int]:
    """A process and all that descend from it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(path.parent.name)] = int(fields[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
