"""Pictures through the official client."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

from evocache.serve.api.schemas.images import ImagesGeneration
from evocache.serve.control.admission import DoorSettings
from evocache.serve.service import Service
from evocache.serve.settings import Settings
from evocache.serve.workers.card import ModelCard
from evocache.serve.workers.worker import Tell
from tests.serve.running_server import running
from tests.serve.stub_worker import StubWorker, picture_of


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def expected(worker: StubWorker, at: int = 0) -> bytes:
    return picture_of(worker.tasks[at]).pixels


def test_a_picture_is_what_the_worker_made(client: openai.OpenAI, worker: StubWorker):
    answer = client.images.generate(prompt="a fox", model="stub", extra_body={"seed": 7})
    assert answer.data is not None
    picture = opened(answer.data[0].b64_json or "")
    assert picture.format == "PNG"
    assert picture.tobytes() == expected(worker)
    assert worker.tasks[0].seed == 7
    assert worker.tasks[0].arguments == {"prompt": "a fox"}
    assert answer.size == "8x8"
    assert answer._request_id


def test_each_of_several_has_a_seed_of_its_own(client: openai.OpenAI, worker: StubWorker):
    answer = client.images.generate(prompt="a fox", n=3, extra_body={"seed": 7})
    assert answer.data is not None
    assert sorted(task.seed for task in worker.tasks) == [7, 8, 9]
    assert [one["seed"] for one in answer.evocache["pictures"]] == [7, 8, 9]  # type: ignore[attr-defined]
    assert len({one.b64_json for one in answer.data}) == 3


@pytest.mark.parametrize("format", ["png", "webp", "jpeg"])
def test_formats(client: openai.OpenAI, format: Any):
    answer = client.images.generate(prompt="a fox", output_format=format)
    assert answer.data is not None
    assert (opened(answer.data[0].b64_json or "").format or "").lower() == format
    assert answer.output_format == format


def test_fields_reach_the_pipeline_by_its_own_names(client: openai.OpenAI, worker: StubWorker):
    extra = {"negative_prompt": "blue", "evocache": {"num_inference_steps": 12}, "guidance_scale": 3.0}
    client.images.generate(prompt="a fox", size="16x24", extra_body=extra)
    (task,) = worker.tasks
    wanted = {"negative_prompt": "blue", "num_inference_steps": 12, "guidance_scale": 3.0, "width": 16, "height": 24}
    assert task.arguments == {"prompt": "a fox", **wanted}


@pytest.mark.parametrize(
    ("extra", "param", "code"),
    [
        ({"sead": 7}, "sead", "unknown_field"),
        ({"evocache": {"speedop": 2}}, "speedop", "unknown_field"),
        ({"seed": -1}, "seed", "greater_than_equal"),
        ({"true_cfg_scale": 2.0}, "true_cfg_scale", "invalid_value"),
        ({"size": "10x"}, "size", "value_error"),
        ({"size": "9000x8"}, "size", "invalid_value"),
        ({"num_inference_steps": 900}, "num_inference_steps", "invalid_value"),
        ({"n": 11}, "n", "less_than_equal"),
    ],
)
def test_what_is_wrong_is_named(
    client: openai.OpenAI, worker: StubWorker, extra: dict[str, Any], param: str, code: str
):
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(prompt="a fox", extra_body=extra)
    assert (refused.value.param, refused.value.code) == (param, code)
    assert not worker.tasks


def test_an_unknown_model_is_not_found(client: openai.OpenAI):
    with pytest.raises(openai.NotFoundError) as refused:
        client.images.generate(prompt="a fox", model="dall-e-3")
    assert refused.value.code == "model_not_found"
    assert "stub" in str(refused.value)


@pytest.mark.parametrize(
    ("reason", "kind"), [("input", openai.BadRequestError), ("pipeline", openai.InternalServerError)]
)
def test_a_failure_says_whose_it_is(client: openai.OpenAI, reason: str, kind: type[openai.APIStatusError]):
    with pytest.raises(kind):
        client.images.generate(prompt=f"fail {reason}")


def test_partial_images_are_streamed(client: openai.OpenAI, worker: StubWorker):
    worker.seconds = 0.05
    events = list(client.images.generate(prompt="a fox", stream=True, partial_images=2))
    kinds = [event.type for event in events]
    assert kinds[-1] == "image_generation.completed"
    assert 1 <= kinds.count("image_generation.partial_image") <= 2
    partial = events[0]
    assert partial.type == "image_generation.partial_image"
    assert opened(partial.b64_json).size == (4, 4)
    assert opened(events[-1].b64_json).tobytes() == expected(worker)


def test_what_is_there_already_is_streamed_as_one_event(client: openai.OpenAI, worker: StubWorker):
    for _ in range(2):
        wanted = {"seed": 7}
        events = list(client.images.generate(prompt="a fox", stream=True, partial_images=2, extra_body=wanted))
    assert [event.type for event in events] == ["image_generation.completed"]
    assert opened(events[0].b64_json).tobytes() == expected(worker)
    assert len(worker.tasks) == 1


def test_a_failure_within_a_stream_reaches_the_client(client: openai.OpenAI):
    with pytest.raises(openai.APIError) as failed:
        list(client.images.generate(prompt="fail pipeline", stream=True))
    assert failed.value.code == "generation_failed"


def test_who_leaves_frees_the_turn(address: str, worker: StubWorker):
    worker.gate.clear()
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{address}/v1/images/generations", json={"prompt": "a fox"}, timeout=0.3)
    for _ in range(1000):
        if worker.tasks and not worker.open_tasks:
            break
        time.sleep(0.005)
    assert worker.tasks
    assert not worker.open_tasks


def test_models_are_listed(client: openai.OpenAI):
    assert [model.id for model in client.models.list()] == ["stub", "moving"]
    assert client.models.retrieve("stub").id == "stub"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("org/none")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"host": "evil.example"}, 403),
        ({"origin": "http://evil.example"}, 403),
    ],
)
def test_who_may_not_come_in(address: str, worker: StubWorker, headers: dict[str, str], status: int):
    given = {"content-type": "application/json", **headers}
    answer = httpx.post(f"{address}/v1/images/generations", content=json.dumps({"prompt": "a fox"}), headers=given)
    assert answer.status_code == status
    assert answer.json()["error"]["code"]
    assert not worker.tasks


def test_health(address: str):
    assert httpx.get(f"{address}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{address}/readyz").status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_large_bodies_are_not_read(chunked: bool):
    worker = StubWorker()
    content = json.dumps({"prompt": "x" * 5000}).encode()
    parts = (content[at : at + 1000] for at in range(0, len(content), 1000))
    with running(Service(Settings({"stub": "stub"}, body=2000), [worker])) as url:
        headers = {"content-type": "application/json"}
        given: Any = parts if chunked else content
        answer = httpx.post(f"{url}/v1/images/generations", content=given, headers=headers)
        assert answer.status_code == 413
        assert answer.json()["error"]["code"]
    assert not worker.tasks


def test_until_models_are_loaded_requests_are_told_to_come_again():
    loaded = threading.Event()

    class Slow(StubWorker):
        def start(self, tell: Tell) -> Sequence[ModelCard]:
            loaded.wait(20)
            return super().start(tell)

    with running(Service(Settings({"stub": "stub"}), [Slow()])) as url:
        try:
            asked = [
                httpx.post(f"{url}/v1/images/generations", json={"prompt": "a fox"}),
                httpx.post(f"{url}/v1/images/generations", json={"prompt": "a fox", "model": "stub"}),
                httpx.post(f"{url}/v1/videos", json={"prompt": "a fox"}),
                httpx.get(f"{url}/v1/models/stub"),
            ]
        finally:
            loaded.set()
        assert [answer.status_code for answer in asked] == [503] * 4
        assert all(answer.json()["error"]["code"] == "not_ready" for answer in asked)
        assert all(answer.headers["retry-after"] for answer in asked)


def test_a_refusal_within_a_stream_reaches_the_client(worker: StubWorker, tmp_path: Path):
    service = Service(Settings({"stub": "stub"}, folder=tmp_path), [worker])
    with running(service) as url, ThreadPoolExecutor(1) as others:
        body = {"prompt": "a fox", "seed": 7}
        worker.gate.clear()
        while httpx.get(f"{url}/readyz").status_code != 200:
            time.sleep(0.005)
        other = others.submit(httpx.post, f"{url}/v1/images/generations", json=body)
        while not worker.tasks:
            time.sleep(0.005)
        service._dispatcher._desk.door.settings = DoorSettings(requests=2)
        answer = httpx.post(f"{url}/v1/images/generations", json={**body, "n": 3, "stream": True})
        worker.gate.set()
        assert other.result().status_code == 200
    last = answer.text.strip().rpartition("data: ")[2]
    assert json.loads(last)["error"]["code"] == "refused_requests"


def test_fields_that_change_nothing_are_named(address: str):
    body = {"prompt": "a fox", "partial_images": 2, "style": "vivid"}
    answer = httpx.post(f"{address}/v1/images/generations", json=body)
    assert set(answer.json()["evocache"]["ignored"]) == {"partial_images", "style"}


def test_older_names_of_qualities_are_those_of_fronts():
    asked = [ImagesGeneration(prompt="a fox", quality=name).asked("stub") for name in ("standard", "hd")]
    assert [one.wishes.quality for one in asked] == ["standard", "hd"]
