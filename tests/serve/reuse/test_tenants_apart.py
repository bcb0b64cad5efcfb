"""Two tenants through HTTP: nothing that one is answered depends on what the other has asked for."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from evocache.serve.access.key_store import KeyStore
from evocache.serve.database.database import Database
from evocache.serve.database.place import url_of
from evocache.serve.reuse.settings import ReuseSettings
from evocache.serve.run import give_room
from evocache.serve.service import Service
from evocache.serve.settings import Settings
from tests.serve.running_server import running
from tests.serve.stub_worker import StubWorker

PROMPTS = ["a fox", "a hen", "a fox"]
CHANGING = {"created", "id", "seconds"}
"""Names of what differs from one answer to the next, whoever asks."""


@contextmanager
def served(folder: Path, **reuse: Any) -> Iterator[tuple[str, Service, StubWorker, dict[str, str]]]:
    """A server with keys: its address, itself, its worker, and secrets by the names of keys."""
    with Database(url_of(folder)) as database:
        store = KeyStore(database)
        secrets = {name: store.create(name.split("-")[0], name)[1] for name in ("acme-a", "acme-b", "other-a")}
    worker = StubWorker()
    service = Service(Settings({"stub": "stub"}, folder=folder, reuse=ReuseSettings(**reuse)), [worker])
    with running(service) as address:
        for _ in range(2000):
            if not service.unready():
                break
            time.sleep(0.002)
        yield address, service, worker, secrets


def post(address: str, secret: str, prompt: str, **wanted: Any) -> httpx.Response:
    body, headers = {"prompt": prompt, "seed": 7, **wanted}, {"authorization": f"Bearer {secret}"}
    return httpx.post(f"{address}/v1/images/generations", json=body, headers=headers)


def settle(service: Service) -> None:
    """Wait until all that was made is stored."""
    while service.reuse.figures()["flights"]:
        time.sleep(0.002)


def plain(value: Any) -> Any:
    """A body without what differs each time; of `seconds` the stages are kept."""
    if isinstance(value, dict):
        stages = {"seconds": sorted(value["seconds"])} if isinstance(value.get("seconds"), dict) else {}
        return {name: plain(each) for name, each in value.items() if name not in CHANGING} | stages
    return [plain(each) for each in value] if isinstance(value, list) else value


def seen(response: httpx.Response) -> tuple[Any, ...]:
    times = "date", "x-request-id", "x-evocache-id", "openai-processing-ms"
    headers = {name: value for name, value in response.headers.items() if name not in times}
    body = response.json()
    lengths = {"content-length": len(json.dumps(plain(body)))}  # ids and seconds have lengths of their own
    return response.status_code, {**headers, **lengths}, plain(body)


@pytest.mark.parametrize("reuse", [{}, {"within_tenant": True}, {"unseeded": True}])
def test_what_a_tenant_is_answered_does_not_depend_on_another(folder: Path, reuse: dict):
    def ask(warmed: bool) -> tuple[list[Any], Any, list[int]]:
        with served(folder / str(warmed), **reuse) as (address, service, worker, secrets):
            if warmed:
                for prompt in PROMPTS * 2:
                    assert post(address, secrets["other-a"], prompt).status_code == 200
            settle(service)
            before, answers = len(worker.tasks), []
            for count in (1, 2):
                for prompt in PROMPTS:
                    answers.append(seen(post(address, secrets["acme-a"], prompt, n=count)))
                    settle(service)
            headers = {"authorization": f"Bearer {secrets['acme-a']}"}
            used = plain(httpx.get(f"{address}/v1/usage", headers=headers).json())
            seeds = [task.seed for task in worker.tasks[before:]]
            return answers, used, seeds

    cold, warm = ask(False), ask(True)
    assert cold == warm
    found = [one["reuse"] for _, _, body in warm[0] for one in body["evocache"]["pictures"]]
    assert found == ["none", "none", "exact", "exact", "none", "exact", "none", "exact", "exact"]


def test_nobody_joins_another_tenant(folder: Path):
    with served(folder, within_tenant=True) as (address, _, worker, secrets):
        worker.gate.clear()
        answers: dict[str, httpx.Response] = {}

        def ask(name: str) -> None:
            answers[name] = post(address, secrets[name], "a fox")

        threads = [threading.Thread(target=ask, args=(name,)) for name in secrets]
        for thread in threads:
            thread.start()
        for _ in range(2000):
            if len(worker.tasks) == 2:
                break
            time.sleep(0.002)
        time.sleep(0.05)
        worker.gate.set()
        for thread in threads:
            thread.join(20)
        reuse = {name: one.json()["evocache"]["pictures"][0]["reuse"] for name, one in answers.items()}
        assert sorted([reuse["acme-a"], reuse["acme-b"]]) in (["joined", "none"], ["exact", "none"])
        assert reuse["other-a"] == "none"
        assert len(worker.tasks) == 2


def test_each_tenant_with_a_key_has_room(fast_folder: Path):
    with Database(url_of(fast_folder)) as database:
        store = KeyStore(database)
        for at in range(7):
            store.create(f"tenant-{at}", "a", ["inference"])
        store.revoke(store.create("gone", "a", ["inference"])[0].id)
        keys = store.list()
    settings = Settings({"stub": "stub"}, folder=fast_folder)
    assert give_room(settings, keys).reuse.tenants == 7
    assert give_room(settings, []).reuse.tenants == 4
    assert give_room(replace(settings, reuse=ReuseSettings(tenants=2)), keys).reuse.tenants == 2
