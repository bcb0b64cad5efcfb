"""Two servers on one Postgres database, one Valkey server and one folder are as one to who asks them."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import valkey

from evocache.usage.records.open_store import open_store
from tests.serve.whole.servers import Servers
from tests.valkey_server import entries

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")

LEASE = 2.0
"""Seconds of silence after which a server counts as dead."""

Start = Callable[..., Servers]
Pair = tuple[Servers, Servers]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def places(postgres: Any, valkey_server: Any) -> dict[str, str]:
    shared = f"valkey://127.0.0.1:{valkey_server.port}"
    return {"database": postgres.create("several_servers"), "shared": shared}


@pytest.fixture(scope="module")
def start(places: dict[str, str], folder: Path) -> Iterator[Start]:
    """Starts a server of the same database, Valkey and folder as the others, and waits until it is ready."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVOCACHE_HOME", str(folder / "home"))

        def start(**orders: Any) -> Servers:
            servers = stack.enter_context(Servers())
            servers.start(folder / "served", **places, lease=LEASE, **orders)
            servers.ready()
            return servers

        yield start


@pytest.fixture(scope="module")
def pair(start: Start) -> Pair:
    return start(), start()


def client(server: Servers) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.address}/v1", api_key="any", max_retries=0, timeout=30)


def until(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it never was"
        time.sleep(0.1)


def test_what_one_made_the_other_gives(pair: Pair, valkey_server: Any):
    one, other = pair
    asked: dict[str, Any] = {"model": "stub", "prompt": "a fox", "extra_body": {"seed": 7}}
    with valkey.Valkey(port=valkey_server.port) as looking, client(one) as asking, client(other) as beside:
        before = entries(looking)
        first: Any = asking.images.generate(**asked)
        until(lambda: looking.dbsize() > before)  # it is written behind the answer
        again: Any = beside.images.generate(**asked)
    assert [first.evocache["pictures"][0]["reuse"], again.evocache["pictures"][0]["reuse"]] == ["none", "exact"]
    assert again.data[0].b64_json == first.data[0].b64_json


def test_links_and_jobs_are_those_of_all(pair: Pair):
    one, other = pair
    with client(one) as asking, client(other) as beside:
        linked = asking.images.generate(prompt="a fox", response_format="url")
        film = asking.videos.create(prompt="a fox", model="moving")
        until(lambda: beside.videos.retrieve(film.id).status == "completed")
        assert [one.id for one in beside.videos.list().data] == [film.id]
        content = beside.videos.download_content(film.id).read()
        assert content == asking.videos.download_content(film.id).read()
        assert linked.data is not None
        url = linked.data[0].url
        assert url is not None
        here, there = httpx.get(url), httpx.get(url.replace(one.address, other.address))
        assert here.status_code == there.status_code == 200
        assert here.content == there.content
        assert beside.videos.delete(film.id).deleted
        with pytest.raises(openai.NotFoundError):
            asking.videos.retrieve(film.id)


def test_sums_of_all_are_added(pair: Pair):
    for server, count in zip(pair, (3, 1), strict=True):
        with client(server) as asking:
            for at in range(count):
                asking.images.generate(model="stub", prompt=f"fox {at} for {server.address}")

    def agree() -> bool:
        one, other = (httpx.get(f"{server.address}/v1/usage").json()["total"]["made"] for server in pair)
        return bool(one == other >= 4)

    until(agree)


def test_requests_to_all_are_recorded_together(pair: Pair, places: dict[str, str]):
    with open_store(places["database"]) as store:
        before = store.count()
        for server in pair:
            with client(server) as asking:
                asking.images.generate(model="stub", prompt=f"a fox that {server.address} records")
        until(lambda: store.count() >= before + 2)


def test_jobs_of_a_killed_server_are_taken_over(pair: Pair, start: Start):
    killed = start(seconds=60)
    with client(killed) as asking, client(pair[0]) as beside:
        films = [asking.videos.create(prompt=f"fox {at}", model="moving").id for at in range(8)]
        # each server begins what it can: one of them is never done with it
        until(lambda: {asking.videos.retrieve(id).status for id in films} <= {"completed", "in_progress"})
        begun = {id for id in films if asking.videos.retrieve(id).status == "in_progress"}
        assert begun
        killed.kill()
        assert killed.over() == -signal.SIGKILL
        until(lambda: all(beside.videos.retrieve(id).status == "completed" for id in films))


def test_no_cache_lies_in_the_folder_that_machines_share(pair: Pair, folder: Path):
    assert {path.name for path in (folder / "served").iterdir()} == {"results"}
