"""Two replicas are as one server to who asks them, also while one dies, and while they are replaced."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest
import valkey

from tests.serve.ray.conftest import Place
from tests.serve.ray.processes import until
from tests.serve.ray.stubs import ENDLESS, HOLD_FILMS, HOLD_SHOWN, SHOWN
from tests.valkey_server import entries

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")]


def makers(place: Place, words: list[str]) -> set[int]:
    """Processes of replicas that began something."""
    return {int((place.folder / f"begun {word}").read_text()) for word in words}


def test_the_official_client_gets_pictures_of_both(place: Place):
    words = [f"many-{at}" for at in range(24)]

    def ask(word: str) -> Any:
        with place.client() as client:
            return client.images.generate(model="stub", prompt=f"a {word} fox", extra_body={"seed": 7})

    with ThreadPoolExecutor(4) as threads:
        answers = [*threads.map(ask, words)]
    assert all(answer.data[0].b64_json for answer in answers)
    assert len(makers(place, words)) == 2


def test_what_one_replica_made_the_other_finds(place: Place, valkey_server: Any):
    asked: dict[str, Any] = {"model": "stub", "prompt": "one found fox", "extra_body": {"seed": 7}}
    with place.client() as client, valkey.Valkey(port=valkey_server.port) as looking:
        before = entries(looking)
        first: Any = client.images.generate(**asked)
        until(lambda: looking.dbsize() > before)  # it is written behind the answer
        again: list[Any] = [client.images.generate(**asked) for _ in range(12)]  # Ray draws which replica answers
    assert first.evocache["pictures"][0]["reuse"] == "none"
    assert {one.evocache["pictures"][0]["reuse"] for one in again} == {"exact"}
    assert {one.data[0].b64_json for one in again} == {first.data[0].b64_json}


def test_streams_stream(place: Place):
    """The first preview is there before the picture is made, which waits for that."""
    (place.folder / HOLD_SHOWN).touch()
    kinds = []
    with place.client() as client:
        asked: dict[str, Any] = {"model": "stub", "prompt": f"{SHOWN} stream", "stream": True, "partial_images": 1}
        for event in client.images.generate(**asked):
            kinds.append(event.type)
            (place.folder / HOLD_SHOWN).unlink(missing_ok=True)
    assert kinds == ["image_generation.partial_image", "image_generation.completed"]


def test_a_client_that_leaves_frees_its_turn(place: Place):
    with pytest.raises(openai.APITimeoutError), place.client() as client:
        client.with_options(timeout=2).images.generate(model="stub", prompt=f"{ENDLESS} plain")
    until((place.folder / "left plain").exists, 20)


def test_a_client_that_leaves_its_stream_frees_its_turn(place: Place):
    (place.folder / HOLD_SHOWN).touch()
    with place.client() as client:
        asked: dict[str, Any] = {"model": "stub", "prompt": f"{SHOWN} quit", "stream": True, "partial_images": 1}
        with client.images.generate(**asked) as events:
            assert next(iter(events)).type == "image_generation.partial_image"
    until((place.folder / "left quit").exists, 20)
    (place.folder / HOLD_SHOWN).unlink()


def test_links_open_and_jobs_are_known_at_any_replica(place: Place):
    with place.client() as client:
        linked = client.images.generate(model="stub", prompt="a linked fox", response_format="url")
        film = client.videos.create(prompt="a known fox", model="moving")
        until(lambda: client.videos.retrieve(film.id).status == "completed")
        contents = {client.videos.download_content(film.id).read() for _ in range(8)}
        assert len(contents) == 1
        assert linked.data is not None
        url = linked.data[0].url
        assert url is not None
        assert {httpx.get(url).status_code for _ in range(8)} == {200}
        assert client.videos.delete(film.id).deleted


def status(place: Place, film: str) -> str:
    """The status of a film; of none while Ray still asks a replica that is gone."""
    with contextlib.suppress(openai.InternalServerError, openai.APIConnectionError), place.client() as client:
        return client.videos.retrieve(film).status
    return ""


def ask_endlessly(place: Place, word: str) -> int:
    """The status of a plain call that is never made; 0 if nobody answers in some seconds."""
    with place.client() as client:
        try:
            client.with_options(timeout=10).images.generate(model="stub", prompt=f"{ENDLESS} {word}")
        except openai.APIStatusError as error:
            return error.status_code
        except openai.APITimeoutError:
            return 0
    return 200


def test_a_film_survives_the_replica_that_makes_it(place: Place):
    (place.folder / HOLD_FILMS).touch()
    with place.client() as client:
        film = client.videos.create(prompt="a killed fox", model="moving")
    until((place.folder / "begun killed").exists)
    until(lambda: status(place, film.id) == "in_progress")
    (killed,) = makers(place, ["killed"])
    with ThreadPoolExecutor(8) as threads:
        words = [f"beside-{at}" for at in range(8)]
        plain = [threads.submit(ask_endlessly, place, word) for word in words]
        until(lambda: all((place.folder / f"begun {word}").exists() for word in words))
        ended = [call for call, word in zip(plain, words, strict=True) if makers(place, [word]) == {killed}]
        os.kill(killed, signal.SIGKILL)
        assert {call.result(30) for call in ended} == {500}
    (place.folder / HOLD_FILMS).unlink()
    until(lambda: status(place, film.id) == "completed")
    assert makers(place, ["killed"]) != {killed}


def test_nothing_is_lost_while_replicas_are_replaced(place: Place):
    """Plain calls are answered, and a film that a replica could not end goes on at another."""
    (place.folder / HOLD_FILMS).touch()
    asked, over = Counter[str](), threading.Event()
    with place.client() as client:
        film = client.videos.create(prompt="a moved fox", model="moving")
    until((place.folder / "begun moved").exists)
    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(keep_asking, place, asked, over.is_set)
        try:
            place.deploy(drain=1.0)
        finally:
            over.set()
        asking.result(60)
    (place.folder / HOLD_FILMS).unlink()
    until(lambda: status(place, film.id) == "completed")
    assert asked.keys() == {"made"}, asked


def keep_asking(place: Place, asked: Counter[str], over: Callable[[], bool]) -> None:
    """Ask for pictures one after the other, and count how that ends."""
    with place.client() as client:
        while not over():
            try:
                client.images.generate(model="stub", prompt=f"a fox {asked.total()}")
                asked["made"] += 1
            except openai.OpenAIError as error:
                asked[repr(error)] += 1
