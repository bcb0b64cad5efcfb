"""Servers that are killed at random moments under load: nothing acknowledged is lost, and no answer changes."""

from __future__ import annotations

import random
import signal
import sqlite3
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.serve.whole.load import Client, Promised, look
from tests.serve.whole.servers import Servers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")

CLIENTS = 3

LONGEST = 0.6
"""Seconds at most that a server lives, from its start or from its first answer on."""

ROUNDS = [pytest.param(number, 17 if number else 15, id=f"round-{number}") for number in range(6)]
"""Numbers of draws, each with so many kills: the first in each run, all hundred of them with `--all`."""


def ended(address: str, promised: Promised) -> Counter[str]:
    """Wait until all that was promised has ended; return how often each status is."""
    until = time.monotonic() + 120
    with httpx.Client(base_url=address, timeout=30) as client:
        found: dict[str, str] = {}
        for id in promised.prompts:
            while (found.setdefault(id, "") or "queued") in ("queued", "in_progress"):
                assert time.monotonic() < until, f"{id} never ends"
                found[id] = look(client, promised, id)
                if id in promised.dropped:
                    break
                if found[id] in ("queued", "in_progress"):
                    time.sleep(0.02)
    return Counter(found.values())


def check_files(folder: Path) -> None:
    """The files are those of the rows, no other ones, and each is whole."""
    connection = sqlite3.connect(folder / "server.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    rows = connection.execute("SELECT id, state FROM jobs").fetchall()
    connection.close()
    done = {id for id, state in rows if state == "done"}
    files = Counter(path.name.partition(".")[0] for path in (folder / "results").rglob("*") if path.is_file())
    assert files == Counter(dict.fromkeys(done, 3)), "a video has three files; none are left of others"


@pytest.mark.table("number", family=lambda number: "all")
@pytest.mark.parametrize(("number", "kills"), ROUNDS)
def test_nothing_acknowledged_is_lost(number: int, kills: int, fast_folder: Path):
    draw, promised = random.Random(number), Promised()
    with Servers() as servers:
        for kill in range(kills):
            servers.start(fast_folder, steps=3, seconds=0.002)
            clients: list[Client] = []
            if kill % 4:  # every fourth dies while it begins
                address = servers.listen()
                clients = [Client(address, promised, draw.randrange(1 << 30)) for _ in range(CLIENTS)]
                for client in clients:
                    client.start()
                assert clients[0].answered.wait(60)
            threading.Event().wait(draw.uniform(0.0, LONGEST))
            servers.kill()
            assert servers.over() == -signal.SIGKILL
            for client in clients:
                client.join(60)
        servers.start(fast_folder)
        first = ended(servers.ready(), promised)
        second = ended(servers.address, promised)
        assert not promised.faults
        assert first == second
        assert first["completed"] > 0
        assert first.keys() <= {"completed", "failed", ""}
        assert first["failed"] < first["completed"], "only those fail that were being computed when two servers died"
        servers.kill(signal.SIGTERM)
        servers.over()
        servers.start(fast_folder)  # sweeps what the killed ones left
        servers.ready()
        servers.kill()
        servers.over()
    check_files(fast_folder)
    assert promised.statuses[200] > kills
