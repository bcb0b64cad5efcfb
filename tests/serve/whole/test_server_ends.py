"""A server that is told to end says so, answers what it has begun, and leaves the rest to the next one."""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serve.whole.servers import Servers

PICTURES = "/v1/images/generations"


def in_thread(address: str, body: dict[str, Any]) -> tuple[threading.Thread, list[httpx.Response]]:
    """Ask for pictures in a thread."""
    answers: list[httpx.Response] = []
    thread = threading.Thread(
        target=lambda: answers.append(httpx.post(f"{address}{PICTURES}", json=body, timeout=60)), daemon=True
    )
    thread.start()
    return thread, answers


def until_running(client: httpx.Client, count: int) -> None:
    for _ in range(2000):
        models = client.get("/v1/admin/state").json()["models"]
        if sum(one["running"] for one in models.values()) >= count:
            return
        time.sleep(0.01)
    raise AssertionError("nothing runs")


def test_what_was_begun_is_answered_and_nothing_else_is_taken(fast_folder: Path):
    with Servers() as servers:
        servers.start(fast_folder, steps=20, seconds=0.1)
        with httpx.Client(base_url=servers.ready()) as client:
            thread, answers = in_thread(servers.address, {"prompt": "a fox"})
            until_running(client, 1)
            servers.kill(signal.SIGTERM)
            for _ in range(1000):
                ready = client.get("/readyz")
                if ready.status_code == 503:
                    break
            assert ready.json()["error"]["message"] == "the server is about to end"
            assert httpx.get(f"{servers.address}/healthz").status_code == 200, "it listens to new clients as well"
            for path, body in ((PICTURES, {"prompt": "a hen"}), ("/v1/videos", {"prompt": "a hen"})):
                refused = client.post(path, json=body)
                assert (refused.status_code, refused.json()["error"]["code"]) == (503, "refused_draining")
                assert 0 < int(refused.headers["retry-after"]) <= 60
            assert not answers
            thread.join(60)
            assert answers[0].status_code == 200
        assert servers.over() == -signal.SIGTERM


def rows(folder: Path) -> dict[str, tuple[str, int, str, int]]:
    connection = sqlite3.connect(folder / "server.db")
    found = connection.execute("SELECT id, state, seed, points, crashes FROM jobs").fetchall()
    connection.close()
    return {id: tuple(rest) for id, *rest in found}


@pytest.mark.parametrize("drain", [0.0, 0.5])
def test_the_rest_continues_with_its_seed_and_point(drain: float, fast_folder: Path):
    with Servers() as servers:
        servers.start(fast_folder, steps=200, seconds=0.05, open=2, drain=drain)
        with httpx.Client(base_url=servers.ready(), timeout=30) as client:
            wished = [{"speedup": speedup, "background": True} for speedup in (1, 2, 3)]
            asked = [client.post(PICTURES, json={"prompt": "a fox", **wish}) for wish in wished]
            asked += [client.post("/v1/videos", json={"prompt": f"fox {number}"}) for number in range(3)]
            ids = [answer.raise_for_status().json()["id"] for answer in asked]
            thread, answers = in_thread(servers.address, {"prompt": "a hen"})
            until_running(client, 2)
            for _ in range(1000):
                if any(points != "{}" for _, _, points, _ in rows(fast_folder).values()):
                    break
                time.sleep(0.01)
            servers.kill(signal.SIGTERM)
            thread.join(60)
            assert (answers[0].status_code, answers[0].headers["retry-after"]) == (503, "5")
        assert servers.over() == -signal.SIGTERM
        before = rows(fast_folder)
        assert {state for state, *_ in before.values()} == {"queued"}
        assert before.keys() == {*ids}
        chosen = {id: points for id, (_, _, points, _) in before.items() if points != "{}"}
        assert chosen

        servers.start(fast_folder, steps=1)
        with httpx.Client(base_url=servers.ready(), timeout=30) as client:
            for id in ids:
                path = f"/v1/{'videos' if id.startswith('video') else 'images'}/{id}"
                for _ in range(2000):
                    made = client.get(path).json()
                    if made["status"] == "completed":
                        break
                    time.sleep(0.01)
                assert made["status"] == "completed"
                assert made["evocache"]["pictures"][0]["seed"] == before[id][1]
        after = rows(fast_folder)
    assert {id: after[id][2] for id in chosen} == chosen
    assert {(id, seed) for id, (_, seed, _, _) in before.items()} == {
        (id, seed) for id, (_, seed, _, _) in after.items()
    }
    assert {crashes for _, _, _, crashes in after.values()} == {0}


def test_a_second_signal_ends_it_at_once(fast_folder: Path):
    with Servers() as servers:
        servers.start(fast_folder, steps=100_000, seconds=0.05, drain=3000.0)
        with httpx.Client(base_url=servers.ready(), timeout=30) as client:
            thread, _ = in_thread(servers.address, {"prompt": "a fox"})
            until_running(client, 1)
            servers.kill(signal.SIGTERM)
            for _ in range(1000):
                if client.get("/readyz").status_code == 503:
                    break
            servers.kill(signal.SIGTERM)
        assert servers.over() == -signal.SIGTERM
        thread.join(60)
