"""What is answered from stored results, and what is not."""

from __future__ import annotations

import base64
import io
import socket
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from PIL import Image

from evocache.serve.control.refusal import Refused
from evocache.serve.run import listen
from evocache.serve.service import Service
from evocache.serve.settings import Settings
from evocache.serve.workers.task import Picture
from tests.serve.running_server import running
from tests.serve.stub_worker import STILL, StubWorker, picture_of

from .served import ADA, BEN, Served, serve


def test_an_equal_request_is_answered_without_workers():
    async def main(served: Served) -> None:
        (made,) = await served.ask(seed=7)
        (found,) = await served.ask(seed=7)
        assert found.picture == made.picture == picture_of(served.worker.tasks[0])
        assert (found.account.reuse, found.account.seed, found.account.point) == ("exact", 7, made.account.point)
        assert (found.account.speedup, found.account.quality) == (made.account.speedup, made.account.quality)
        assert len(served.worker.tasks) == 1

    serve(main)


def test_what_the_model_does_by_itself_need_not_be_said():
    async def main(served: Served) -> None:
        assert await served.reuse_of(ADA, seed=7) == ["none"]
        assert await served.reuse_of(ADA, seed=7, num_inference_steps=20, width=8) == ["exact"]
        assert await served.reuse_of(ADA, seed=7, num_inference_steps=12) == ["none"]

    serve(main)


def test_owners_do_not_share_unless_told_to():
    async def main(served: Served) -> None:
        user, other = replace(ADA, user="u"), replace(ADA, tenant="other")
        expected = {False: ["none"] * 4, True: ["none", "exact", "exact", "none"]}
        assert await served.reuse_of(ADA, BEN, user, other, seed=7) == expected[shares]
        assert await served.reuse_of(ADA, BEN, user, other, seed=7) == ["exact"] * 4

    for shares in (False, True):
        serve(main, within_tenant=shares)


def test_without_a_seed_there_is_another_picture():
    async def main(served: Served) -> None:
        answers = [(await served.ask())[0] for _ in range(3)]
        assert [answer.account.reuse for answer in answers] == ["none"] * 3
        assert len({answer.picture for answer in answers}) == 3
        (again,) = await served.ask(seed=answers[1].account.seed)  # the answer says its seed
        assert again.account.reuse == "exact"
        assert again.picture == answers[1].picture

    serve(main)


def test_without_a_seed_there_is_the_same_where_that_is_allowed():
    async def main(served: Served) -> None:
        (first,) = await served.ask()
        (again,) = await served.ask()
        assert again.account.reuse == "exact"
        assert again.picture == first.picture
        several = await served.ask(count=3)
        assert [one.account.reuse for one in several] == ["exact", "none", "none"]
        assert len({one.picture for one in several}) == 3
        (anew,) = await served.ask(cache="refresh")
        assert (anew.account.reuse, anew.picture) == ("none", first.picture)
        (other,) = await served.ask(cache="off")
        assert other.account.reuse == "none"
        assert other.picture != first.picture

    serve(main, unseeded=True)


def test_refresh_stores_and_off_does_neither():
    async def main(served: Served) -> None:
        assert await served.reuse_of(ADA, seed=7, cache="off") == ["none"]
        assert await served.reuse_of(ADA, seed=7, cache="refresh") == ["none"]
        assert await served.reuse_of(ADA, seed=7, cache="refresh") == ["none"]
        assert await served.reuse_of(ADA, seed=7, cache="off") == ["none"]
        assert await served.reuse_of(ADA, seed=7) == ["exact"]

    service = serve(main)
    assert service.reuse.figures()["counts"] == {"skipped": 2, "miss": 2, "hit": 1}


@pytest.mark.parametrize(
    ("stored", "asked", "reuse"),
    [
        ({"quality": "max"}, {}, "exact"),  # better than it would get
        ({"quality": "max"}, {"speedup": 2.5}, "exact"),  # and at once
        ({}, {"quality": "max"}, "none"),
        ({"speedup": 2.5}, {}, "none"),  # it would get a better one
        ({"speedup": 2.5}, {"speedup": 3.5}, "exact"),
        ({"speedup": 3.5}, {"speedup": 2.5}, "none"),
        ({"speedup": 3.5}, {"quality": 35.0}, "none"),
    ],
)
def test_a_result_answers_who_would_get_no_better_one(stored: dict, asked: dict, reuse: str):
    async def main(served: Served) -> None:
        assert await served.reuse_of(ADA, seed=7, **stored) == ["none"]
        assert await served.reuse_of(ADA, seed=7, **asked) == [reuse]
        assert await served.reuse_of(ADA, seed=7, **asked) == ["exact"]

    serve(main)


def test_rather_a_result_that_is_good_enough_than_a_refusal():
    async def main(served: Served) -> None:
        assert await served.reuse_of(ADA, seed=7, speedup=3.5) == ["none"]  # less than it would get with an idle server
        served.service._dispatcher._desk.door.closed = True
        assert await served.reuse_of(ADA, seed=7) == ["exact"]
        with pytest.raises(Refused):
            await served.ask(seed=7, quality=35.0)  # it is below that
        with pytest.raises(Refused):
            await served.ask(seed=7, count=2)
        with pytest.raises(Refused):
            await served.ask(seed=9)
        served.service._dispatcher._desk.door.closed = False

    counts = serve(main).reuse.figures()["counts"]
    assert counts == {"miss": 1, "hit": 2, "shed": 3}


def test_results_outlive_the_server(folder: Path):
    async def ask(served: Served) -> None:
        reuse.extend(await served.reuse_of(ADA, BEN, seed=7))

    reuse: list[str] = []
    for _ in range(2):
        serve(ask, folder=folder)
    assert reuse == ["none", "none", "exact", "exact"]


def test_a_result_that_is_damaged_is_made_anew(caplog: pytest.LogCaptureFixture):
    async def main(served: Served) -> None:
        await served.ask(seed=7)
        await served.until(lambda: not served.service.reuse.figures()["flights"])
        (cache,) = served.service.reuse._results._tenants.values()
        (name,) = cache
        content = cache[name]
        for damaged in (b"none", content[:-90], content.replace(b'"width":8', b'"width":4')):
            cache[name] = damaged
            assert await served.reuse_of(ADA, seed=7) == ["none"]
            assert await served.reuse_of(ADA, seed=7) == ["exact"]

    serve(main)
    assert "made anew" in caplog.text


def test_a_tenant_without_room_is_answered_all_the_same():
    async def main(served: Served) -> None:
        other = replace(ADA, tenant="other")
        with pytest.warns(UserWarning, match="room for 1 tenants"):
            assert await served.reuse_of(ADA, other, seed=7) == ["none", "none"]
        assert await served.reuse_of(ADA, other, seed=7) == ["exact", "none"]

    serve(main, tenants=1)


def test_given_pictures_are_part_of_the_question():
    async def main(served: Served) -> None:
        shown, other = Picture(b"\0" * 12, 2, 2), Picture(b"\1" * 12, 2, 2)
        assert await served.reuse_of(ADA, seed=7, pictures={"image": shown}) == ["none"]
        assert await served.reuse_of(ADA, seed=7, pictures={"image": other}) == ["none"]
        assert await served.reuse_of(ADA, seed=7, pictures={"image": shown}) == ["exact"]

    serve(main, StubWorker(replace(STILL, arguments=STILL.arguments | {"image"})))


@pytest.mark.parametrize("settings", [{"memory": 0}, {"memory": 0, "disk": 0}])
def test_without_room_all_is_made_anew(settings: dict):
    async def main(served: Served) -> None:
        assert await served.reuse_of(ADA, ADA, seed=7) == ["none", "none"]

    serve(main, **settings)


@pytest.mark.parametrize(("format", "compression"), [("png", 100), ("webp", 100), ("webp", 50), ("jpeg", 90)])
def test_what_is_stored_is_the_file_that_is_sent_where_that_is_what_was_asked_for(format: str, compression: int):
    def post(address: str) -> bytes:
        body = {"prompt": "a fox", "seed": 7, "output_format": format, "output_compression": compression}
        answer = httpx.post(f"{address}/v1/images/generations", json=body).json()
        assert answer["evocache"]["pictures"][0]["reuse"] == reuse
        return base64.b64decode(answer["data"][0]["b64_json"])

    service = Service(Settings({"stub": "stub"}), [StubWorker()])
    with running(service) as address:
        reuse = "none"
        made = post(address)
        while service.reuse.figures()["flights"]:
            time.sleep(0.002)
        reuse = "exact"
        found = post(address)
    first, again = (Image.open(io.BytesIO(file)) for file in (made, found))
    assert first.format == again.format == format.upper()
    assert first.tobytes() == again.tobytes()


def test_answers_are_not_held_back_for_the_next_packet():
    with listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP  # what asyncio looks at before it turns Nagle's algorithm off
