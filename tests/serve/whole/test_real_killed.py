"""A server of a real model, whose worker and itself are killed: what it promised is there, and stays what it was."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="needs /proc"), pytest.mark.slow]

KILLS = ("worker", "server", "worker", "server", "worker")

PATIENCE = 240.0
"""Seconds after which something that is waited for never comes: loading a model takes some, on a busy host many."""


def until(true: Callable[[], Any], what: str) -> Any:
    """Wait for something, and return it."""
    end = time.monotonic() + PATIENCE
    while not (found := true()):
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.02)
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Real:
    """`evocache serve` of `zoo:emoji` with one worker, on one port in all of its lives; a context manager.

    Attributes:
        contents: digests of what it gave, by id.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=60)
        self._log = (folder.parent / "log").open("w+b")
        self._process: subprocess.Popen[bytes] | None = None
        self.contents: dict[str, str] = {}

    def __enter__(self) -> Real:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.kill(signal.SIGKILL)
        self._client.close()
        if kind is not None:  # pytest shows it
            self._log.seek(0)
            sys.stderr.write(self._log.read()[-20_000:].decode(errors="replace"))
        self._log.close()

    def run(self) -> int:
        """Have it run and take requests; return its process."""
        if self._process is None:
            command = [sys.executable, "-m", "evocache", "serve", "--port", str(self._port)]
            env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HF_HUB_OFFLINE": "1"}
            said = {"stdout": self._log, "stderr": self._log}
            self._process = subprocess.Popen([*command, "--folder", str(self._folder)], env=env, **said)
        until(self._is_ready, "ready")
        return self._process.pid

    def kill(self, number: int) -> None:
        """Send it a signal, and wait for its end."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE)
            self._process = None

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "it has ended by itself"
        try:
            return self._client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def promise(self, seed: int) -> str:
        """Have a picture promised; return its id."""
        body = {"prompt": f"fox number {seed}", "seed": seed, "background": True}
        answer = self._client.post("/v1/images/generations", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def look(self, id: str) -> dict[str, Any]:
        """Return what it says of a picture; what was given once has to be given again."""
        found: dict[str, Any] = self._client.get(f"/v1/images/{id}").json()
        if found["status"] == "completed":
            digest = hashlib.sha256(json.dumps(found["data"]).encode()).hexdigest()
            assert self.contents.setdefault(id, digest) == digest, "another picture than before"
        return found


def worker_of(server: int) -> int | None:
    """The process in which a server computes: its child that holds most memory."""
    held = {}
    for task in Path("/proc").glob("[0-9]*"):
        try:
            fields = (task / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == server and fields[0] != "Z":
                held[int(task.name)] = int(fields[21])
        except (OSError, IndexError):  # it has ended
            continue
    return max(held, key=held.__getitem__, default=None)


def test_what_was_promised_is_there_after_five_kills(fast_folder: Path):
    draw, promised = random.Random(5), list[str]()
    with Real(fast_folder / "server") as real:
        for kill in KILLS:
            server = real.run()
            promised += [real.promise(len(promised)), real.promise(len(promised) + 1)]
            time.sleep(draw.uniform(0.0, 1.5))
            for id in promised:
                real.look(id)
            if kill == "server":
                real.kill(signal.SIGKILL)
                continue
            worker = worker_of(server)
            assert worker is not None
            os.kill(worker, signal.SIGKILL)
            until(lambda gone=worker: not Path(f"/proc/{gone}").exists(), "its worker is gone")
        real.run()
        until(lambda: {real.look(id)["status"] for id in promised} <= {"completed", "failed"}, "all have ended")
        ends = [real.look(id) for id in promised]
        failed = [end["error"]["code"] for end in ends if end["status"] == "failed"]
        assert set(failed) <= {"worker_lost", "crashed"}, "only those that were being computed when two died"
        assert len(failed) < len(promised) / 2
        real.kill(signal.SIGTERM)
        real.run()
        assert [real.look(id)["status"] for id in promised] == [end["status"] for end in ends]
    assert len(real.contents) == len(promised) - len(failed)
