"""Starts servers of stub workers, and knows where they are."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from tests.serve.whole.stub_server import Orders


class Servers:
    """Starts servers one after another; a context manager, which ends the last one.

    Attributes:
        pid: of the server that runs.
        address: where it listens.
    """

    def __init__(self) -> None:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-m", "tests.serve.whole.stub_server"]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end
        self._process = subprocess.Popen(
            command, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, bufsize=1
        )
        self._said: queue.Queue[list[str]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.pid = 0
        self.address = ""

    def start(self, folder: Path, **orders: Any) -> int:
        """Start a server; return its process as soon as there is one."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(asdict(Orders(str(folder), **orders)))}\n")
        self.pid = int(self._hear("server"))
        return self.pid

    def listen(self) -> str:
        """Wait until the server listens; return its address."""
        self.address = self._hear("address")
        return self.address

    def ready(self) -> str:
        """Wait until the server takes requests; return its address."""
        self.listen()
        for _ in range(3000):
            try:
                if httpx.get(f"{self.address}/readyz", timeout=10).status_code == 200:
                    return self.address
            except httpx.TransportError:
                pass
            time.sleep(0.01)
        raise AssertionError("never ready")

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the server."""
        os.kill(self.pid, number)

    def over(self) -> int:
        """Wait until the server has ended; return its exit status, less than 0 for a signal's number."""
        status = int(self._hear("over"))
        self.pid = 0
        return status

    def resident(self) -> int:
        """Bytes that the server holds."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def threads(self) -> int:
        """How many threads the server has."""
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def __enter__(self) -> Servers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.pid:
            self.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._reader.join(30)
        assert self._process.stdout is not None
        self._process.stdout.close()
        if kind is not None:  # pytest shows it
            self._log.seek(0)
            sys.stderr.write(self._log.read()[-20_000:].decode(errors="replace"))
        self._log.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(line.split())
        self._said.put(["gone", ""])

    def _hear(self, word: str) -> str:
        while True:
            said = self._said.get(timeout=120)
            assert said[0] != "gone", f"no server said {word}"
            if said[0] == word:
                return said[1]
            assert said[0] != "over" or word == "over", f"it ended with {said[1]} before it said {word}"
