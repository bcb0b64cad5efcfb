"""Handlers that are cancelled, as Ray's proxies do when clients leave."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from evocache.serve.api.promised import link
from evocache.serve.api.schemas.images import ImagesGeneration
from evocache.serve.requests.request import GenerationRequest
from tests.serve.reuse.served import ADA, Served, serve
from tests.serve.stub_worker import StubWorker

FOX = GenerationRequest("stub", {"prompt": "a fox"}, seed=9)


class Waiting:
    """A request whose client never says that it leaves."""

    async def receive(self) -> Any:
        await asyncio.Event().wait()


def asking(served: Served) -> asyncio.Task[Any]:
    body = ImagesGeneration(prompt="a fox", response_format="url")
    return asyncio.create_task(link(Waiting(), served.service, FOX, ADA, body))  # type: ignore[arg-type]


@pytest.fixture
def worker() -> StubWorker:
    worker = StubWorker()
    worker.gate.clear()
    return worker


def test_links_whose_handler_is_cancelled_are_deleted_and_made_no_further(tmp_path: Path, worker: StubWorker):
    async def main(served: Served) -> None:
        handler = asking(served)
        await served.until(lambda: len(worker.tasks) == 1)
        handler.cancel()
        with pytest.raises(asyncio.CancelledError):
            await handler
        assert not any((await served.service.background.count()).values())
        await served.until(lambda: not worker.open_tasks)

    serve(main, worker, folder=tmp_path)


def test_links_of_a_server_that_is_about_to_end_stay_promised(tmp_path: Path, worker: StubWorker):
    async def main(served: Served) -> None:
        handler = asking(served)
        await served.until(lambda: len(worker.tasks) == 1)
        draining = asyncio.create_task(served.service.drain())
        await served.until(lambda: served.service.draining)
        handler.cancel()
        with pytest.raises(asyncio.CancelledError):
            await handler
        assert sum((await served.service.background.count()).values()) == 1
        worker.gate.set()
        await draining

    serve(main, worker, folder=tmp_path)


@pytest.mark.parametrize("how", ["add", "hold"])
def test_what_is_cancelled_while_it_is_written_down_leaves_no_job(
    tmp_path: Path, worker: StubWorker, monkeypatch: pytest.MonkeyPatch, how: str
):
    async def main(served: Served) -> None:
        background = served.service.background
        writing, on, written = (threading.Event() for _ in range(3))
        add = background._retention.add

        def slow(*given: Any) -> None:
            writing.set()
            assert on.wait(60)
            add(*given)
            written.set()

        monkeypatch.setattr(background._retention, "add", slow)

        async def promise() -> None:
            if how == "add":
                await background.add(FOX, ADA, "picture")
                return
            async with background.hold(FOX, ADA, "picture"):
                raise AssertionError("it was cancelled before")

        handler = asyncio.create_task(promise())
        await served.until(writing.is_set)
        handler.cancel()
        await asyncio.sleep(0)
        on.set()
        with pytest.raises(asyncio.CancelledError):
            await handler
        await served.until(written.is_set)
        assert not any((await background.count()).values())
        assert served.service.figures()["open"] == 0

    serve(main, worker, folder=tmp_path)
