"""Videos through the official client."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

from evocache.serve.service import Service
from evocache.serve.settings import Settings
from tests.serve.running_server import running
from tests.serve.stub_worker import MOVING, STILL, StubWorker, picture_of

pytestmark = pytest.mark.filterwarnings("ignore:The Videos API:DeprecationWarning", "ignore::DeprecationWarning")


def until(client: openai.OpenAI, id: str, *states: str) -> Any:
    for _ in range(1000):
        video = client.videos.retrieve(id)
        if video.status in states:
            return video
        time.sleep(0.01)
    raise AssertionError(f"{video.status} for ever")


def test_a_video_is_made(client: openai.OpenAI, worker: StubWorker):
    video = client.videos.create_and_poll(prompt="a fox that runs", extra_body={"seed": 3}, poll_interval_ms=20)
    assert (video.status, video.progress, video.size, video.seconds) == ("completed", 100, "8x8", "0.5")
    (task,) = worker.tasks
    assert task.seed == 3
    film = client.videos.download_content(video.id).content
    sheet = Image.open(io.BytesIO(client.videos.download_content(video.id, variant="spritesheet").content))
    assert b"ftyp" in film[:16]
    assert sheet.size == (16, 16)
    assert client.videos.download_content(video.id, variant="thumbnail").content
    assert picture_of(task, frames=4).frames == 4


def test_both_encodings(client: openai.OpenAI, worker: StubWorker, address: str):
    given = {"prompt": "a fox", "seconds": "1", "evocache": {"seed": 5}}
    as_json = client.post("/videos", cast_to=object, body=given)
    as_form = client.videos.create(prompt="a fox", seconds="4", extra_body={"evocache": {"seed": 5}})
    assert as_form.seconds == "4"
    until(client, as_form.id, "completed")
    until(client, as_json["id"], "completed")  # type: ignore[index]
    assert sorted(int(str(task.arguments["num_frames"])) for task in worker.tasks) == [8, 32]
    assert {task.seed for task in worker.tasks} == {5}


def test_list_remix_delete(client: openai.OpenAI, worker: StubWorker):
    first = client.videos.create(prompt="a fox", extra_body={"seed": 3})
    until(client, first.id, "completed")
    second = client.videos.remix(first.id, prompt="a hen")
    assert second.remixed_from_video_id == first.id
    until(client, second.id, "completed")
    assert [(task.arguments["prompt"], task.seed) for task in worker.tasks] == [("a fox", 3), ("a hen", 3)]
    page = client.videos.list(limit=1)
    assert [video.id for video in page.data] == [second.id]
    assert page.has_more
    assert [video.id for video in client.videos.list()] == [second.id, first.id]
    assert client.videos.delete(first.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(first.id)
    with pytest.raises(openai.NotFoundError):
        client.videos.download_content(first.id)


def test_a_failure_is_told_like_any_other_end(client: openai.OpenAI):
    video = client.videos.create(prompt="fail pipeline")
    failed = until(client, video.id, "failed", "completed")
    assert failed.error.code == "generation_failed"


def test_deleted_while_it_runs(client: openai.OpenAI, worker: StubWorker):
    worker.gate.clear()
    video = client.videos.create(prompt="a fox")
    until(client, video.id, "in_progress")
    with pytest.raises(openai.ConflictError):
        client.videos.download_content(video.id)
    client.videos.delete(video.id)
    for _ in range(1000):
        if not worker.open_tasks:
            break
        time.sleep(0.005)
    assert worker.tasks
    assert not worker.open_tasks


def test_a_restart_forgets_nothing(tmp_path: Path):
    settings = Settings({"stub": "stub", "moving": "moving"}, folder=tmp_path, drain=0.0)
    first = StubWorker(STILL, MOVING)
    with running(Service(settings, [first])) as url, openai.OpenAI(base_url=f"{url}/v1", api_key="any") as client:
        done = client.videos.create(prompt="a hen", extra_body={"speedup": 1})
        until(client, done.id, "completed")
        first.gate.clear()
        video = client.videos.create(prompt="a fox")
        until(client, video.id, "in_progress")
    second = StubWorker(STILL, MOVING)
    with running(Service(settings, [second])) as url, openai.OpenAI(base_url=f"{url}/v1", api_key="any") as client:
        assert client.videos.retrieve(done.id).status == "completed"
        assert client.videos.download_content(done.id).content
        assert until(client, video.id, "completed").prompt == "a fox"
    assert second.tasks[0].seed == first.tasks[1].seed
    assert second.tasks[0].point == first.tasks[1].point


def test_videos_take_no_deadline(address: str):
    late = httpx.post(f"{address}/v1/videos", json={"prompt": "a fox", "deadline_ms": 1000})
    assert (late.status_code, late.json()["error"]["param"]) == (400, "deadline_ms")


def test_promised_pictures_are_no_videos_to_delete(address: str):
    made = httpx.post(f"{address}/v1/images/generations", json={"prompt": "a fox", "background": True}).json()
    assert httpx.delete(f"{address}/v1/videos/{made['id']}").status_code == 404
    assert httpx.get(f"{address}/v1/images/{made['id']}").status_code == 200
