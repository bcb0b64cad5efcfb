"""Servers that are killed at random moments: no acknowledged job is lost, no file is half, no answer changes."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from evocache.serve.jobs.record import Failure, JobRecord
from tests.serve.jobs.crash_program import LEASE, Server, content, digest
from tests.serve.jobs.records import MINE

LONGEST = 0.25
"""Seconds at most that a server lives, from its start or from its first word on."""


class Killer:
    """Has servers started, kills them, and knows what they said.

    Args:
        url: of their database.
        folder: of results.
    """

    def __init__(self, url: str, folder: Path) -> None:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-m", "tests.serve.jobs.crash_program", url, str(folder)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, env=env, text=True, **pipes)
        self.said: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def kill_one(self, seed: int, after: float, from_its_word: bool) -> None:
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{seed}\n")
        stdin.flush()
        timer: threading.Timer | None = None
        victim = 0
        while (line := stdout.readline().split()) != ["over"]:
            assert line, "servers do not start"
            word, id, *rest = line
            if word == "server":
                victim = int(id)
            else:
                assert id not in self.said[word], "it was said before"
                self.said[word][id] = "".join(rest)
            if timer is None and victim and (word == "server") != from_its_word:
                timer = threading.Timer(after, os.kill, [victim, signal.SIGKILL])
                timer.start()
        assert timer is not None, "it ended by itself"
        timer.join()

    def close(self) -> None:
        self.process.communicate()


def everything(server: Server) -> dict[str, JobRecord]:
    found: dict[str, JobRecord] = {}
    while True:
        page = server.store.list(*MINE, limit=100, after=[*found][-1] if found else None)
        found.update((job.id, job) for job in page.records)
        if not page.has_more:
            return found


def check(server: Server, said: dict[str, dict[str, str]]) -> dict[str, JobRecord]:
    """Compare what is there with what was said."""
    jobs = everything(server)
    assert not said["added"].keys() - said["dropping"].keys() - jobs.keys(), "an acknowledged job is lost"
    assert not said["dropped"].keys() & jobs.keys(), "a deleted job is there"
    for job in jobs.values():
        assert job.state in ("queued", "done", "failed")
        if job.state == "done":
            assert server.files.read(job, "video") == content(job, job.points[0]), "half a file"
        elif job.state == "failed":
            assert (job.crashes, job.error) == (2, Failure("crashed", "the server that made it died twice"))
    for id in said["done"].keys() & jobs.keys():
        assert digest(server.files.read(jobs[id], "video")) == said["done"][id], "another answer than was told"
    names = {file.name for job in jobs.values() for file in (job.result.files if job.result else ())}
    assert {path.name for path in server.files.folder.rglob("*") if path.is_file()} == names
    return jobs


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_nothing_acknowledged_is_lost_where_servers_are_killed(database_url, fast_folder):
    """Thirty servers one after another on SQLite, ten on Postgres; every second one from its start on."""
    lite, folder, draw = database_url.startswith("sqlite"), fast_folder / "results", random.Random(7)
    killer = Killer(database_url, folder)
    kills = 30 if lite else 10
    for number in range(kills):
        killer.kill_one(number, draw.uniform(0.0, LONGEST), from_its_word=number % 2 == 1)
    killer.close()
    time.sleep(LEASE)
    server = Server(database_url, folder)
    server.retention.sweep_files(time.time() + 60.0)
    check(server, killer.said)
    while waiting := server.store.waiting():
        for job in waiting:
            assert server.run(job.id, draw)
    states = Counter(job.state for job in check(server, killer.said).values())
    assert states.keys() <= {"done", "failed"}
    assert states["done"] > 0
    assert len(killer.said["added"]) >= kills // 2
    server.runs.close()
    server.database.close()
    if lite:
        raw = sqlite3.connect(database_url.removeprefix("sqlite:///"))
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        raw.close()
