"""Pictures behind links: made as jobs while their clients wait."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from math import inf
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from evocache.errors import QuotaError
from evocache.serve.background import background, making
from evocache.serve.background.background import Background
from evocache.serve.requests.identity import Identity
from evocache.serve.service import Service
from evocache.serve.settings import Settings
from tests.serve.running_server import running
from tests.serve.stub_worker import StubWorker, picture_of

FOX = {"prompt": "a fox", "response_format": "url"}
ME = Identity()


def until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not met():
        assert time.monotonic() < end
        time.sleep(0.005)


def serving(folder: Path, drain: float = 30.0) -> Settings:
    return Settings({"stub": "stub"}, folder=folder, drain=drain)


@pytest.fixture
def service(tmp_path: Path, worker: StubWorker) -> Service:
    return Service(serving(tmp_path), [worker])


@pytest.fixture
def url(service: Service) -> Iterator[str]:
    """The address of a server whose service the test has."""
    with running(service) as url:
        until(lambda: not service.unready())
        yield f"{url}/v1/images"


@pytest.fixture
def ask(url: str) -> Iterator[Callable[..., Future[httpx.Response]]]:
    """Ask for links in a thread."""
    with ThreadPoolExecutor(4) as threads:

        def asking(body: dict[str, Any] | None = None, **headers: str) -> Future[httpx.Response]:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return threads.submit(httpx.post, f"{url}/generations", json=body or FOX, headers=named, timeout=60)

        yield asking


Ask = Callable[..., Future[httpx.Response]]


def drain(service: Service, seconds: float) -> Future[Any]:
    """Have a server drain, in its own loop."""
    object.__setattr__(service.settings, "drain", seconds)
    assert service._starting is not None
    return asyncio.run_coroutine_threadsafe(service.drain(), service._starting.get_loop())


def test_pictures_behind_links(address: str, worker: StubWorker):
    body = {"prompt": "a fox", "response_format": "url", "n": 2, "seed": 3}
    answer = httpx.post(f"{address}/v1/images/generations", json=body)
    links = [one["url"] for one in answer.json()["data"]]
    pictures = [Image.open(io.BytesIO(httpx.get(link).content)).tobytes() for link in links]
    assert pictures == [picture_of(task).pixels for task in sorted(worker.tasks, key=lambda task: task.seed)]
    assert httpx.get(links[0].replace("signature=", "signature=0")).status_code == 403
    failed = httpx.post(f"{address}/v1/images/generations", json={**body, "prompt": "fail input"})
    assert (failed.status_code, failed.json()["error"]["code"]) == (400, "invalid_value")


def test_who_leaves_wants_no_links(address: str, worker: StubWorker):
    worker.gate.clear()
    body = {"prompt": "a fox", "response_format": "url"}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{address}/v1/images/generations", json=body, timeout=0.5)
    for _ in range(1000):
        if worker.tasks and not worker.open_tasks:
            break
        time.sleep(0.005)
    assert worker.tasks
    assert not worker.open_tasks


def test_a_client_is_told_at_once_and_the_database_hardly_asked(
    service: Service, ask: Ask, monkeypatch: pytest.MonkeyPatch, worker: StubWorker
):
    monkeypatch.setattr(background, "JOB_POLL", 3600.0)
    get, asked = Background.get, list[str]()

    async def counted(self: Background, id: str, who: Identity) -> Any:
        asked.append(id)
        return await get(self, id, who)

    monkeypatch.setattr(Background, "get", counted)
    worker.gate.clear()
    answers = [ask({**FOX, "n": 2}), ask({**FOX, "prompt": "fail input"}), ask()]
    until(lambda: len(worker.tasks) == 4)
    worker.gate.set()
    assert [answer.result().status_code for answer in answers] == [200, 400, 200]
    assert len(asked) <= 6


def test_a_job_that_another_server_makes_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worker: StubWorker):
    monkeypatch.setattr(background, "JOB_POLL", 0.05)
    idle = Service(serving(tmp_path), [StubWorker()])
    with running(idle) as url, running(Service(serving(tmp_path), [worker])):
        until(lambda: not idle.unready())
        idle.background._runner._resting = inf  # it begins none
        assert httpx.post(f"{url}/v1/images/generations", json=FOX, timeout=60).status_code == 200
    assert len(worker.tasks) == 1


def test_a_failure_has_the_status_that_plain_calls_have(url: str):
    for reason, status, code in (
        ("input", 400, "invalid_value"),
        ("memory", 400, "too_much_memory"),
        ("worker", 503, "worker_lost"),
        ("pipeline", 500, "generation_failed"),
    ):
        body = {"prompt": f"fail {reason}"}
        answers = [httpx.post(f"{url}/generations", json=one) for one in (body, {**FOX, **body})]
        assert [answer.status_code for answer in answers] == [status, status]
        assert [answer.json()["error"]["code"] for answer in answers] == [code, code]
        assert answers[0].headers.get("retry-after") == answers[1].headers.get("retry-after")


def test_a_full_disk_is_told_as_one(url: str, monkeypatch: pytest.MonkeyPatch):
    def keep(*given: Any) -> None:
        raise QuotaError("/secret/place", "room", "delete")

    monkeypatch.setattr(making, "keep_pictures", keep)
    answer = httpx.post(f"{url}/generations", json=FOX)
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "no_room")
    assert answer.headers["x-should-retry"] == "false"
    assert "secret" not in answer.text


def test_a_client_that_waits_has_its_place_at_the_door(service: Service, ask: Ask, worker: StubWorker):
    def opened() -> Any:
        return service.figures()["open"]

    worker.gate.clear()
    service.background._runner._resting = inf  # it begins none
    answer = ask({**FOX, "n": 3})
    until(lambda: bool(opened() == 3))
    service.background._runner._resting = 0.0
    service.background._runner.wake()
    until(lambda: len(worker.tasks) == 3)
    assert opened() == 3  # runs have the places of their client, and no further ones
    worker.gate.set()
    assert answer.result().status_code == 200
    until(lambda: bool(opened() == 0))


def test_a_client_that_leaves_before_its_turn_frees_its_place(service: Service, url: str):
    service.background._runner._resting = inf  # it begins none
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{url}/generations", json=FOX, timeout=0.5)
    until(lambda: bool(service.figures()["open"] == 0))


def test_how_long_a_client_waits_is_its_deadline(service: Service, ask: Ask, worker: StubWorker):
    late = ask(x_stainless_read_timeout="0.0001").result()
    assert (late.status_code, late.json()["error"]["code"]) == (429, "refused_deadline")
    assert late.headers["x-should-retry"] == "false"
    worker.gate.clear()
    answer = ask(x_stainless_read_timeout="60")
    until(lambda: bool(worker.tasks))
    (run,) = service._dispatcher._queue.running
    assert run.wishes.durable
    assert run.wishes.deadline is not None
    assert 50 < run.wishes.deadline <= 57
    assert not run.entry.group.patient
    worker.gate.set()
    assert answer.result().status_code == 200


def test_links_that_are_deleted_meanwhile_are_not_found(service: Service, ask: Ask, url: str, worker: StubWorker):
    worker.gate.clear()
    answer = ask()
    until(lambda: bool(worker.tasks))
    (id,) = service.background._runner._making
    assert httpx.delete(f"{url}/{id}").status_code == 200
    assert answer.result().status_code == 404
    until(lambda: not worker.open_tasks)


def test_a_server_that_ends_answers_what_it_makes_and_keeps_the_rest(
    service: Service, ask: Ask, tmp_path: Path, worker: StubWorker
):
    worker.gate.clear()
    made = ask()
    until(lambda: len(worker.tasks) == 1)
    service.background._runner._resting = inf  # it begins none
    waiting = ask()
    until(lambda: bool(service.figures()["open"] == 2))
    draining = drain(service, 60.0)
    told = waiting.result()
    assert (told.status_code, told.json()["error"]["code"]) == (503, "still_promised")
    assert told.headers["x-should-retry"] == "false"
    assert told.headers["location"] in told.json()["error"]["message"]
    worker.gate.set()
    assert made.result().status_code == 200
    draining.result(60)
    with running(Service(serving(tmp_path), [StubWorker()])) as again:
        until(lambda: httpx.get(f"{again}{told.headers['location']}").json()["status"] == "completed")


def test_what_is_not_made_by_the_end_of_a_drain_stays_promised(
    service: Service, ask: Ask, tmp_path: Path, worker: StubWorker
):
    worker.gate.clear()
    answer = ask()
    until(lambda: bool(worker.tasks))
    drain(service, 0.1).result(60)
    told = answer.result()
    assert (told.status_code, told.json()["error"]["code"]) == (503, "still_promised")
    with running(Service(serving(tmp_path), [StubWorker()])) as again:
        until(lambda: httpx.get(f"{again}{told.headers['location']}").json()["status"] == "completed")


def test_without_a_folder_nothing_stays_promised(worker: StubWorker):
    worker.gate.clear()
    service = Service(Settings({"stub": "stub"}), [worker])
    with running(service) as url, ThreadPoolExecutor(1) as threads:
        until(lambda: not service.unready())
        answer = threads.submit(httpx.post, f"{url}/v1/images/generations", json=FOX, timeout=60)
        until(lambda: bool(worker.tasks))
        drain(service, 0.1).result(60)
        told = answer.result()
    assert (told.status_code, told.json()["error"]["code"]) == (503, "cancelled")
    assert told.headers["retry-after"] == "5"
