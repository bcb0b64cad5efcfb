"""Pictures in the background."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from evocache.errors import JobError
from evocache.serve.access.key_ring import KeyRing
from evocache.serve.background.request_text import read_arguments, read_request, write_pictures, write_request
from evocache.serve.control.rates import Quota
from evocache.serve.control.refusal import Refused
from evocache.serve.control.shares import Owner
from evocache.serve.requests.identity import Identity
from evocache.serve.requests.request import GenerationRequest
from evocache.serve.service import Service
from evocache.serve.settings import Settings
from evocache.serve.workers.task import Picture
from tests.serve.running_server import running
from tests.serve.stub_worker import StubWorker, picture_of


def until(address: str, id: str, *states: str) -> dict[str, Any]:
    for _ in range(1000):
        found: dict[str, Any] = httpx.get(f"{address}/v1/images/{id}").json()
        if found["status"] in states:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{found['status']} for ever")


def test_pictures_in_the_background(address: str, worker: StubWorker):
    body = {"prompt": "a fox", "background": True, "n": 2, "seed": 7}
    answer = httpx.post(f"{address}/v1/images/generations", json=body)
    assert answer.status_code == 202
    promised = answer.json()
    assert answer.headers["location"] == f"/v1/images/{promised['id']}"
    made = until(address, promised["id"], "completed")
    pictures = [Image.open(io.BytesIO(base64.b64decode(one["b64_json"]))).tobytes() for one in made["data"]]
    tasks = sorted(worker.tasks, key=lambda task: task.seed)
    assert pictures == [picture_of(task).pixels for task in tasks]
    assert [one["seed"] for one in made["evocache"]["pictures"]] == [7, 8]
    assert httpx.delete(f"{address}/v1/images/{promised['id']}").json()["deleted"]
    assert httpx.get(f"{address}/v1/images/{promised['id']}").status_code == 404


def test_a_promised_failure_is_told(address: str):
    body = {"prompt": "fail input", "background": True}
    promised = httpx.post(f"{address}/v1/images/generations", json=body).json()
    assert until(address, promised["id"], "failed")["error"]["code"] == "invalid_value"


def test_what_cannot_be_promised_is_refused(address: str, worker: StubWorker):
    for further in ({"stream": True}, {"output_format": "webp"}, {"deadline_ms": 1000}):
        body = {"prompt": "a fox", "background": True, **further}
        answer = httpx.post(f"{address}/v1/images/generations", json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, next(iter(further)))
    assert not worker.tasks


def test_a_queued_stream_ends_with_its_client(address: str, worker: StubWorker):
    worker.gate.clear()
    with httpx.Client(timeout=0.3) as client, pytest.raises(httpx.ReadTimeout):
        client.post(f"{address}/v1/images/generations", json={"prompt": "a fox", "stream": True, "seed": 1})
    for _ in range(1000):
        if worker.tasks and not worker.open_tasks:
            break
        time.sleep(0.005)
    assert worker.tasks
    assert not worker.open_tasks


def test_a_plain_call_leaves_a_stone(address: str, worker: StubWorker):
    worker.seconds = 0.05
    made = httpx.post(f"{address}/v1/images/generations", json={"prompt": "a fox"})
    failed = httpx.post(f"{address}/v1/images/generations", json={"prompt": "fail input", "stream": True})
    ids = [answer.headers["x-evocache-id"] for answer in (made, failed)]
    left = [httpx.get(f"{address}/v1/images/{id}").json() for id in ids]
    assert [one["status"] for one in left] == ["completed", "failed"]
    assert not any("data" in one or "prompt" in str(one) for one in left)


def test_a_call_whose_client_left_says_so(address: str, worker: StubWorker):
    worker.gate.clear()
    with httpx.stream("POST", f"{address}/v1/images/generations", json={"prompt": "a fox", "stream": True}) as answer:
        id = answer.headers["x-evocache-id"]
        assert httpx.get(f"{address}/v1/images/{id}").json()["status"] == "in_progress"
    assert until(address, id, "failed")["error"]["code"] == "cancelled"


@pytest.mark.parametrize("way", [{"background": True}, {"response_format": "url"}])
def test_what_changes_nothing_of_jobs_is_named(address: str, way: dict[str, Any]):
    body = {"prompt": "a fox", "cache": "refresh", "learn": True, "partial_images": 2, **way}
    said = httpx.post(f"{address}/v1/images/generations", json=body).json()["evocache"]
    assert said["ignored"] == ["partial_images"]
    late = httpx.post(f"{address}/v1/images/generations", json={"prompt": "a fox", "deadline_ms": 1000, **way})
    assert (late.status_code, late.json()["error"]["param"]) == (400, "deadline_ms")


def test_pictures_whose_files_are_gone_are_not_found(tmp_path: Path, worker: StubWorker):
    with running(Service(Settings({"stub": "stub"}, folder=tmp_path), [worker])) as url:
        body = {"prompt": "a fox", "response_format": "url"}
        while httpx.get(f"{url}/readyz").status_code != 200:
            time.sleep(0.005)
        link = httpx.post(f"{url}/v1/images/generations", json=body).json()["data"][0]["url"]
        id = link.split("/v1/results/")[1].split("/")[0]
        for file in (tmp_path / "results").glob("*/*.png"):
            file.unlink()
        assert httpx.get(link).status_code == 404
        assert httpx.get(f"{url}/v1/images/{id}").status_code == 404


def test_given_pictures_are_kept_small_and_without_loss():
    noise = Image.effect_noise((64, 32), 50)
    mask = Picture(noise.tobytes(), 64, 32, channels=1)
    given = {"image": Picture(bytes(2048 * 2048 * 3), 2048, 2048), "mask_image": mask}
    text = write_request(GenerationRequest("stub", {"prompt": "a fox"}, given, seed=7))
    pictures = write_pictures(given)
    assert len(text) < 1000
    assert len(pictures or "") < 100_000
    assert read_request(text, pictures).pictures == given
    with pytest.raises(JobError, match="cannot be read"):
        read_request(text)
    assert read_arguments(text) == {"prompt": "a fox"}


def test_requests_of_before_are_read():
    text = write_request(GenerationRequest("stub", {"prompt": "a fox"}))
    pixels = base64.b64encode(bytes(12)).decode()
    picture = {"width": 2, "height": 2, "frames": 1, "channels": 3, "pixels": pixels}
    old = {**json.loads(text), "pictures": {"image": picture}}
    assert read_request(json.dumps(old)).pictures == {"image": Picture(bytes(12), 2, 2)}


def test_a_quota_of_seconds_bounds_what_is_promised(worker: StubWorker):
    class Bounded(KeyRing):
        def quota(self, owner: Owner) -> Quota:
            return Quota(seconds_per_day=0.1)

    added: list[str] = []

    async def promise() -> None:
        async with Service(Settings({"stub": "stub"}, drain=0.0), [worker]) as service:
            while service.unready():
                await asyncio.sleep(0.005)
            service.keys = Bounded(None)
            worker.gate.clear()
            asked = GenerationRequest("stub", {"prompt": "a fox"})
            while len(added) < 50:
                added.append((await service.background.add(asked, Identity(), "picture")).id)

    with pytest.raises(Refused, match="seconds of a worker a day"):
        asyncio.run(promise())
    assert added
