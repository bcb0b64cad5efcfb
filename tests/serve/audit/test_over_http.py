"""Measured quality as clients and operators are told of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from evocache.errors import ServeError
from evocache.serve.access.key_store import KeyStore
from evocache.serve.audit.comparison import measure_quality
from evocache.serve.database.database import Database
from evocache.serve.database.place import url_of
from evocache.serve.service import Service
from evocache.serve.settings import Settings
from evocache.serve.web import state
from tests.serve.running_server import running
from tests.serve.stub_worker import StubWorker, picture_of


class Client:
    """Asks a server whose audit measures all that it can."""

    def __init__(self, url: str, service: Service, worker: StubWorker, secrets: dict[str, str]) -> None:
        self.service, self.worker, self._url = service, worker, url
        self._headers = {name: {"authorization": f"Bearer {secret}"} for name, secret in secrets.items()}

    def get(self, name: str, path: str) -> httpx.Response:
        return httpx.get(self._url + path, headers=self._headers[name]).raise_for_status()

    def ask(self, name: str, prompt: str, **wanted: Any) -> dict[str, Any]:
        """How a picture was made."""
        body = {"prompt": prompt, "seed": 7, "speedup": 2, "quality": 38, **wanted}
        answer = httpx.post(f"{self._url}/v1/images/generations", json=body, headers=self._headers[name])
        account: dict[str, Any] = answer.raise_for_status().json()["evocache"]["pictures"][0]
        return account

    def promise(self, name: str, prompt: str) -> dict[str, Any]:
        """How a picture was made that was promised."""
        body = {"prompt": prompt, "speedup": 2, "quality": 38, "background": True}
        answer = httpx.post(f"{self._url}/v1/images/generations", json=body, headers=self._headers[name])
        path = answer.raise_for_status().headers["location"]
        for _ in range(4000):
            found = self.get(name, path).json()
            if found["status"] == "completed":
                account: dict[str, Any] = found["evocache"]["pictures"][0]
                return account
            time.sleep(0.005)
        raise AssertionError(f"it is {found['status']} for ever")

    def until_measured(self, samples: int) -> None:
        """Wait until so many samples were measured."""
        for _ in range(4000):
            if sum(row["samples"] for row in self.service.audit.figures()["points"]) == samples:
                return
            time.sleep(0.005)
        raise AssertionError(f"not {samples}: {self.service.audit.figures()}")


@pytest.fixture
def client(fast_folder: Path) -> Iterator[Client]:
    with Database(url_of(fast_folder)) as database:
        store = KeyStore(database)
        secrets = {name: store.create(tenant, name)[1] for tenant, name in (("acme", "ann"), ("other", "bob"))}
        secrets["ops"] = store.create("acme", "ops", ["admin"])[1]
    worker = StubWorker()
    service = Service(Settings({"stub": "stub"}, folder=fast_folder, measure=1.0), [worker])
    service.audit.idle, service.audit.pause = 0.0, 0.01
    with running(service, routers=(state.router,)) as url:
        while service.unready():
            time.sleep(0.002)
        yield Client(url, service, worker, secrets)


def test_answers_say_what_was_measured(client: Client):
    first = client.ask("ann", "a fox")
    assert (first["point"], first["quality"]) == ("fast", 38.0)
    assert "measured" not in first
    client.until_measured(1)
    made, uncached = client.worker.tasks
    assert (made.point, uncached.point, uncached.seed, uncached.arguments) == (1, None, 7, made.arguments)
    expected = {"quality": round(measure_quality(picture_of(made), picture_of(uncached)), 2), "samples": 1}
    assert client.ask("ann", "a hen")["measured"] == expected
    assert "measured" not in client.ask("bob", "a hen")
    client.until_measured(3)
    assert "measured" not in client.ask("ann", "a cat", quality="max", speedup=None)
    again = client.ask("ann", "a fox")
    assert (again["reuse"], again["measured"]["samples"]) == ("exact", 2)
    assert client.ask("bob", "a hen")["measured"]["samples"] == 1


def test_what_is_promised_is_measured_and_says_so(client: Client):
    for number, prompt in enumerate(("a fox", "a hen")):
        promised = client.promise("ann", prompt)
        assert promised["point"] == "fast"
        assert promised.get("measured", {}).get("samples", 0) == number
        client.until_measured(number + 1)


def test_operators_see_all_and_clients_are_charged_for_nothing(client: Client):
    client.ask("ann", "a secret fox")
    client.ask("bob", "a secret hen")
    client.until_measured(2)
    state = client.get("ops", "/v1/admin/state")
    assert state.json()["models"]["stub"]["measured"].keys() == {"fast"}
    told = state.json()["models"]["stub"]["measured"]["fast"]
    assert (told["predicted"], told["samples"]) == (38.0, 2)
    assert told["worst"] <= told["mean"]
    assert state.json()["ends"] == {"made": 2}
    metrics = client.get("ops", "/metrics").text
    lines = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in metrics.splitlines() if line[0] != "#"}
    of = {name.partition("{")[0]: value for name, value in lines.items() if 'lora=""' in name}
    assert of["evocache:quality_samples_total"] == 2
    assert of["evocache:measured_quality_db"] == pytest.approx(told["mean"], abs=0.01)
    assert of["evocache:predicted_minus_measured_quality_db"] == pytest.approx(38 - told["mean"], abs=0.01)
    assert lines['evocache:audit_runs_total{end="made"}'] == 2
    assert lines['evocache:dispatched_total{end="made"}'] == 2
    assert not [name for name in lines if "acme" in name or "secret" in name]
    for name in ("ann", "bob"):
        total = client.get(name, "/v1/usage").json()["total"]
        assert (total["requests"], total["made"], total["seconds_computed"]) == (1, 1, 0.02)


def test_nothing_is_measured_where_the_share_is_0():
    worker = StubWorker()
    service = Service(Settings({"stub": "stub"}, measure=0.0), [worker])
    service.audit.idle, service.audit.pause = 0.0, 0.01
    with running(service) as url:
        while service.unready():
            time.sleep(0.002)
        body = {"prompt": "a fox", "speedup": 2, "quality": 38}
        httpx.post(f"{url}/v1/images/generations", json=body).raise_for_status()
        assert service.audit.figures() == {"points": [], "ends": {}, "samples": 0}
    assert len(worker.tasks) == 1


def test_a_server_ends_while_it_measures():
    worker = StubWorker()
    service = Service(Settings({"stub": "stub"}, measure=1.0, drain=3600.0), [worker])
    service.audit.idle, service.audit.pause = 0.0, 0.01
    with running(service) as url:  # fails if the server does not end
        while service.unready():
            time.sleep(0.002)
        body = {"prompt": "a fox", "speedup": 2, "quality": 38}
        httpx.post(f"{url}/v1/images/generations", json=body).raise_for_status()
        worker.gate.clear()
        while len(worker.tasks) < 2:
            time.sleep(0.002)
    assert worker.open_tasks == set()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share: float):
    with pytest.raises(ServeError, match=r"from 0 to 1.*0 measures nothing"):
        Settings({"stub": "stub"}, measure=share)
