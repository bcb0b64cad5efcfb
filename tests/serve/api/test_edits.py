"""Pictures that begin with others, through the official client."""

from __future__ import annotations

import base64
import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

from evocache.serve.api import edits
from evocache.serve.api.pictures import AT_ONCE
from tests.serve.stub_worker import StubWorker


def file(image: Image.Image, format: str = "png") -> bytes:
    out = io.BytesIO()
    image.save(out, format)
    return out.getvalue()


def test_a_picture_is_given_to_the_pipeline(client: openai.OpenAI, worker: StubWorker):
    given = Image.effect_noise((32, 16), 50).convert("RGB")
    answer = client.images.edit(image=file(given), prompt="a fox", extra_body={"strength": 0.4, "seed": 3})
    (task,) = worker.tasks
    picture = task.pictures["image"]
    assert (picture.width, picture.height, picture.channels) == (32, 16, 3)
    assert picture.pixels == given.tobytes()
    assert task.arguments == {"prompt": "a fox", "strength": 0.4, "width": 16, "height": 16}
    assert task.point is None
    assert answer.evocache["pictures"][0]["notes"]  # type: ignore[attr-defined]


def test_what_a_mask_leaves_clear_is_made_anew(client: openai.OpenAI, worker: StubWorker):
    mask = Image.new("RGBA", (8, 8), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 4, 8))
    client.images.edit(image=[file(Image.new("RGB", (8, 8), "red"))], mask=file(mask), prompt="a fox", size="16x16")
    given = worker.tasks[0].pictures["mask_image"]
    assert given.channels == 1
    assert given.pixels == bytes([255] * 4 + [0] * 4) * 8
    assert worker.tasks[0].arguments["width"] == 16


def bomb() -> bytes:
    """A small file of very many pixels."""
    return file(Image.new("1", (20_000, 20_000)))


@pytest.mark.parametrize(
    ("files", "status", "param"),
    [
        ({}, 400, "image"),
        ({"image": b"no picture"}, 400, "image"),
        ({"image": file(Image.new("RGB", (8, 8)), "gif")}, 400, "image"),
        ({"image": file(Image.effect_noise((64, 64), 50))[:-2000]}, 400, "image"),
        ({"image": file(Image.new("RGB", (8, 8))), "mask": file(Image.new("L", (4, 8)))}, 400, "mask"),
        ({"other": file(Image.new("RGB", (8, 8)))}, 400, "other"),
        ({"image": bomb()}, 413, "image"),
    ],
    ids=["none", "text", "gif", "cut", "mask", "field", "bomb"],
)
def test_what_is_no_picture_is_refused(
    address: str, worker: StubWorker, files: dict[str, Any], status: int, param: str
):
    parts = {"prompt": (None, "a fox"), **{name: (f"{name}.png", data) for name, data in files.items()}}
    answer = httpx.post(f"{address}/v1/images/edits", files=parts)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    assert not worker.tasks


def test_addresses_of_pictures_are_refused(address: str, worker: StubWorker):
    parts = {"prompt": (None, "a fox"), "image": (None, "http://169.254.169.254/picture.png")}
    answer = httpx.post(f"{address}/v1/images/edits", files=parts)
    assert answer.status_code == 400
    assert not worker.tasks


def test_partial_images_of_an_edit(client: openai.OpenAI, worker: StubWorker):
    worker.seconds = 0.05
    picture = file(Image.new("RGB", (8, 8)))
    events = list(client.images.edit(image=picture, prompt="a fox", stream=True, partial_images=1))
    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]
    assert base64.b64decode(events[-1].b64_json)


@pytest.mark.parametrize("path", ["/v1/images/edits", "/v1/videos", "/v1/images/generations"])
def test_requests_without_a_body_are_refused(address: str, path: str):
    answer = httpx.post(f"{address}{path}")
    assert answer.status_code in (400, 415)
    assert answer.json()["error"]["code"] in ("unsupported_media_type", "invalid_json", "missing")


def test_types_of_bodies_may_have_capitals(address: str, worker: StubWorker):
    asked = httpx.Request(
        "POST",
        f"{address}/v1/images/edits",
        data={"prompt": "a fox"},
        files={"image": file(Image.new("RGB", (8, 8)))},
    )
    asked.headers["content-type"] = asked.headers["content-type"].replace("multipart/form-data", "Multipart/Form-Data")
    asked.read()
    with httpx.Client() as client:
        assert client.send(asked).status_code == 200
    assert worker.tasks


def test_pictures_that_wait_to_be_unpacked_hold_up_nothing_else(address: str, monkeypatch: pytest.MonkeyPatch):
    """Two are unpacked at a time; the database answers meanwhile, and the bodies of those that wait have places."""
    go, read, many = threading.Event(), edits._read, 40
    unpacking: list[int] = []

    def held(files: Any) -> Any:
        unpacking.append(1)
        assert go.wait(30)
        return read(files)

    def send(_: int) -> int:
        parts = {"prompt": (None, "a fox"), "image": ("image.png", file(Image.new("RGB", (8, 8))))}
        return httpx.post(f"{address}/v1/images/edits", files=parts, timeout=60).status_code

    monkeypatch.setattr(edits, "_read", held)
    with ThreadPoolExecutor(many) as clients:
        sent = [clients.submit(send, at) for at in range(many)]
        try:
            while not unpacking:
                time.sleep(0.005)
            for _ in range(1000):
                lines = httpx.get(f"{address}/metrics").text.splitlines()
                line = next(line for line in lines if line.startswith("evocache:open_bytes "))
                if float(line.split()[1]) > 100 * many:
                    break
                time.sleep(0.005)
            else:
                raise AssertionError("bodies have no places")
            assert httpx.get(f"{address}/v1/videos").status_code == 200
            assert len(unpacking) <= AT_ONCE
        finally:
            go.set()
        assert 200 in {one.result() for one in sent}  # some are more work than is let in at a time
