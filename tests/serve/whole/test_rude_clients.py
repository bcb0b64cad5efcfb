"""Clients that are slow, or leave: they cost others nothing, and nothing of them is left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.serve.whole.servers import Servers

PICTURES = "/v1/images/generations"

FOX = {"prompt": "a fox", "cache": "off"}


@contextlib.contextmanager
def served(folder: Path, **orders: Any) -> Iterator[Servers]:
    """A server that is ready."""
    with Servers() as servers:
        servers.start(folder, **orders)
        servers.ready()
        yield servers


def connect(servers: Servers, sent: bytes = b"") -> socket.socket:
    """A connection to the server, over which something was sent."""
    where = urlsplit(servers.address)
    connection = socket.create_connection((where.hostname, where.port), timeout=60)
    connection.sendall(sent)
    return connection


def request(body: dict[str, Any], length: int = 0) -> bytes:
    """The bytes of a request for pictures, whose body is to be so long in all."""
    text = json.dumps(body).encode()
    head = f"POST {PICTURES} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {length or len(text)}\r\n\r\n".encode() + text


def state(servers: Servers) -> tuple[int, int]:
    """How many generations wait, and how many run."""
    models = httpx.get(f"{servers.address}/v1/admin/state", timeout=60).json()["models"].values()
    return sum(one["waiting"] for one in models), sum(one["running"] for one in models)


def until(servers: Servers, wanted: tuple[int, int]) -> None:
    """Wait until so many wait and run."""
    for _ in range(1500):
        if state(servers) == wanted:
            return
        time.sleep(0.02)
    raise AssertionError(f"{state(servers)}, not {wanted}")


def ask(servers: Servers, **body: Any) -> httpx.Response:
    return httpx.post(f"{servers.address}{PICTURES}", json={**FOX, **body}, timeout=60)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with served(tmp_path_factory.mktemp("served")) as servers:
        yield servers


def test_bodies_of_which_half_is_sent_hold_nobody_up(quick: Servers):
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(connect(quick, request(FOX, 1000)))
        assert ask(quick).status_code == 200
    assert ask(quick).status_code == 200
    until(quick, (0, 0))


def test_connections_that_say_nothing_hold_nobody_up(quick: Servers):
    with contextlib.ExitStack() as stack:
        for number in range(300):
            stack.enter_context(connect(quick, b"" if number % 2 else b"POST /v1/im"))
        assert ask(quick).status_code == 200
    assert ask(quick).status_code == 200


def test_who_leaves_in_the_middle_of_an_answer_frees_the_turn(fast_folder: Path):
    with served(fast_folder, steps=100_000, seconds=0.01, open=1) as servers:
        for body in ({}, {"stream": True}, {"stream": True, "n": 3}, {"n": 2}):
            count = body.get("n", 1)
            with connect(servers, request({**FOX, **body})) as connection:
                until(servers, (count - 1, 1))
                if body.get("stream"):
                    assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK")
            until(servers, (0, 0))


def test_who_leaves_while_waiting_frees_its_place(fast_folder: Path):
    with served(fast_folder, steps=100_000, seconds=0.01, open=1) as servers, connect(servers, request(FOX)):
        until(servers, (0, 1))
        for body in ({}, {"stream": True}):
            with connect(servers, request({**FOX, **body})):
                until(servers, (1, 1))
            until(servers, (0, 1))


def test_a_stream_that_is_not_read_holds_nobody_up_and_ends_when_it_is_left(fast_folder: Path):
    """Its pictures fill the buffers of the socket; others are served meanwhile."""
    with served(fast_folder, steps=40, seconds=0.01, open=4) as servers:
        large = {"stream": True, "partial_images": 3, "n": 4, "size": "1024x1024"}
        slow = connect(servers)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with slow:
            slow.sendall(request({**FOX, **large}))
            assert slow.recv(100).startswith(b"HTTP/1.1 200 OK")
            until(servers, (0, 0))
            for _ in range(3):
                assert ask(servers).status_code == 200
        assert ask(servers).status_code == 200
        servers.kill(signal.SIGTERM)
        assert servers.over() == -signal.SIGTERM


def test_a_stream_that_is_read_slowly_is_whole(fast_folder: Path):
    with served(fast_folder, steps=8, seconds=0.01) as servers:
        body = {**FOX, "stream": True, "partial_images": 2, "size": "64x64"}
        received = b""
        with connect(servers, request(body)) as slow:
            while b"image_generation.completed" not in received or not received.endswith(b"0\r\n\r\n"):
                piece = slow.recv(1000)
                assert piece
                received += piece
                time.sleep(0.001)
        events = [line[7:] for line in received.decode().splitlines() if line.startswith("event: ")]
        assert events == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]


REQUESTS, GROWTH = 2000, 6_000_000
"""Requests of which, once two fifths are over, at most so many bytes may be left."""


def test_memory_is_flat_and_no_threads_are_left(fast_folder: Path):
    """Among the requests are streams, refused ones, and some whose clients leave."""
    with served(fast_folder) as servers:
        sent, threads = 0, 0

        async def work(client: httpx.AsyncClient, many: int) -> None:
            nonlocal sent
            for _ in range(many):
                sent += 1
                number = sent
                body: dict[str, Any] = {**FOX, "prompt": f"fox {number}", "stream": number % 5 == 0}
                if number % 7 == 0:
                    body["unknown"] = 1
                patience = 0.001 if number % 11 == 0 else 60
                with contextlib.suppress(httpx.TimeoutException):
                    answer = await client.post(PICTURES, json=body, timeout=patience)
                    while answer.status_code == 429:  # the machine is slower than the stub says
                        await asyncio.sleep(0.05)
                        answer = await client.post(PICTURES, json=body, timeout=patience)
                    assert answer.status_code == (400 if number % 7 == 0 else 200)

        async def load(many: int) -> None:
            async with httpx.AsyncClient(base_url=servers.address) as client:
                await asyncio.gather(*(work(client, many // 8) for _ in range(8)))

        asyncio.run(load(2 * REQUESTS // 5))
        until(servers, (0, 0))
        before, threads = servers.resident(), servers.threads()
        asyncio.run(load(3 * REQUESTS // 5))
        until(servers, (0, 0))
        assert servers.resident() - before < GROWTH
        assert servers.threads() <= threads + 2
        assert sent == REQUESTS
