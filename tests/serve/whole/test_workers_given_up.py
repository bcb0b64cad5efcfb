"""Where no worker is left and none will come, nobody waits for one, and what was promised is left to other servers."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from evocache.serve.service import Service
from evocache.serve.settings import Settings
from evocache.serve.web import state
from evocache.serve.workers.supervisor import Patience, Supervisor
from evocache.serve.workers.worker import WorkerSettings
from tests.serve.running_server import running
from tests.serve.workers.long_worker import LONG

PICTURES = "/v1/images/generations"


def until(met: Callable[[], Any]) -> None:
    for _ in range(6000):
        if met():
            return
        time.sleep(0.01)
    raise AssertionError("it is never so")


def figures(client: httpx.Client, name: str) -> int:
    model = client.get("/v1/admin/state").json()["models"].get("stub", {})
    return int(model.get(name, 0))


def test_calls_that_wait_end_promises_stay_and_nobody_else_comes_in(fast_folder: Path):
    patience = Patience(ping=0.02, first=0.01, longest=0.01, soon=600.0, deaths=1)
    supervisor = Supervisor(WorkerSettings({"stub": "x"}, {}), 2, patience=patience, worker=LONG)
    service = Service(Settings({"stub": "x"}, folder=fast_folder, open=1), supervisor)
    with (
        running(service, routers=(state.router,)) as url,
        httpx.Client(base_url=url, timeout=60) as client,
        ThreadPoolExecutor(8) as threads,
    ):
        until(lambda: all(worker["ready"] for worker in supervisor.figures().values()))
        post = partial(client.post, PICTURES)
        plain = [threads.submit(post, json={"prompt": f"fox {number}"}) for number in range(4)]
        until(lambda: figures(client, "running") == 2 and figures(client, "waiting") == 2)
        promised = client.post(PICTURES, json={"prompt": "a hen", "background": True}).json()["id"]
        linked = threads.submit(post, json={"prompt": "a cat", "response_format": "url"})
        until(lambda: figures(client, "waiting") == 4)

        first, second = (place.worker for place in supervisor._places)
        assert first is not None
        assert second is not None
        os.kill(first.pid or 0, signal.SIGKILL)
        until(lambda: figures(client, "running") == 1)
        assert client.get("/readyz").status_code == 200, "one is left"
        os.kill(second.pid or 0, signal.SIGKILL)

        lost = [one.result(60) for one in plain]
        assert {(one.status_code, one.json()["error"]["code"]) for one in lost} == {(503, "worker_lost")}
        said = sorted(one.json()["error"]["message"] for one in lost)
        assert sum("all workers have been given up" in text and "SIGKILL" in text for text in said) == 2
        left = linked.result(60)
        assert (left.status_code, left.json()["error"]["code"]) == (503, "still_promised")
        assert "given up" in left.json()["error"]["message"]
        kept = {promised, left.headers["location"].split("/")[-1]}

        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert "worker 1: given up after 1 ends soon after the start" in ready.json()["error"]["message"]
        for body in ({"prompt": "a dog"}, {"prompt": "a dog", "background": True}):
            refused = client.post(PICTURES, json=body)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "refused_workers")
            assert "worker 0: given up" in refused.json()["error"]["message"]
            assert refused.headers["retry-after"] == "60"
        for id in kept:
            until(lambda id=id: client.get(f"/v1/images/{id}").json()["status"] == "queued")
    database = sqlite3.connect(fast_folder / "server.db")
    rows = database.execute("SELECT id, state, server, error FROM jobs").fetchall()
    database.close()
    assert {*rows} == {(id, "queued", None, None) for id in kept}
