"""Servers that add jobs, run them and are killed: `python -m tests.serve.jobs.crash_program URL FOLDER`.

For each seed on its standard input it forks a server and prints `server PID`, and `over` when that was killed. The
server prints `added ID` once a job may be acknowledged, `done ID DIGEST` once its result may be, `dropping ID` and
`dropped ID` before and after it deletes a job.
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
import threading
import time
from pathlib import Path

from evocache.serve.database.database import Database
from evocache.serve.jobs.files import ResultFiles
from evocache.serve.jobs.record import JobRecord, Point, Result
from evocache.serve.jobs.retention import Retention, RoomLimits
from evocache.serve.jobs.runs import JobRuns
from evocache.serve.jobs.store import JobStore
from tests.serve.jobs.records import MINE, record

LEASE = 0.05
"""Seconds: a server that was killed is soon known to be dead, on Postgres as well."""

CHUNK = 4096


def content(job: JobRecord, point: Point) -> bytes:
    """What a job gives at a point: the same in each attempt."""
    return hashlib.sha256(f"{job.seed} {point}".encode()).digest() * (CHUNK // 8)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Server:
    """Everything that a server keeps of its jobs."""

    def __init__(self, url: str, folder: Path) -> None:
        started = time.time()
        self.database = Database(url, patience=60.0)
        self.store = JobStore(self.database)
        self.runs = JobRuns(self.store, self.database, lease=LEASE)
        self.files = ResultFiles(folder)
        self.retention = Retention(self.store, self.database, self.files, room=RoomLimits(None, free_bytes=0))
        time.sleep(0.0 if self.runs.first else LEASE)
        self.runs.recover()
        self.retention.sweep_files(started)

    def run(self, id: str, draw: random.Random) -> str | None:
        """Run a job to its end, and return the digest of its result; None if it is gone."""
        job = self.runs.begin(id)
        if job is None:
            return None
        number = draw.randrange(6)
        point = self.runs.choose(job, Point(number, f"front{number}"))
        if point is None:
            return None
        data = content(job, point)

        def write(path: Path) -> None:
            with path.open("wb") as file:
                for start in range(0, len(data), CHUNK):
                    file.write(data[start : start + CHUNK])
                    file.flush()

        kept = self.files.make(job, "video", "video/mp4", write)
        if self.runs.finish(job, Result((kept,))):
            return digest(data)
        self.files.discard(job)
        return None


def say(*words: object) -> None:
    """Write a line at once, whole even where the process is killed: it is shorter than what a pipe takes at a time."""
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


def serve(url: str, folder: str, seed: int) -> None:
    """Add, run and delete jobs until killed."""
    server, draw = Server(url, Path(folder)), random.Random(seed)

    def work() -> None:
        own = random.Random(draw.random())
        while True:
            for job in server.store.waiting(20):
                if made := server.run(job.id, own):
                    say("done", job.id, made)

    threading.Thread(target=work, daemon=True).start()
    added: list[str] = []
    while True:
        time.sleep(0.005)
        job = record(seed=draw.randrange(2**63), bytes=CHUNK * 4)
        server.retention.add(job)
        say("added", job.id)
        added.append(job.id)
        if len(added) > 3:
            id = added.pop(draw.randrange(4))
            if draw.random() < 0.3:
                say("dropping", id)
                server.retention.delete(id, *MINE)
                say("dropped", id)


def main(url: str, folder: str) -> None:
    for line in sys.stdin:
        child = os.fork()
        if not child:
            serve(url, folder, int(line))
        say("server", child)
        os.waitpid(child, 0)
        say("over")


if __name__ == "__main__":
    main(*sys.argv[1:])
