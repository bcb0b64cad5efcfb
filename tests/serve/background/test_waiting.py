"""Clients that wait for their jobs do not stand behind those that nobody waits for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from evocache.serve.background import runner
from evocache.serve.jobs.record import JobRecord
from evocache.serve.requests.request import GenerationRequest, Wishes
from tests.serve.reuse.served import ADA, BEN, Served, serve
from tests.serve.stub_worker import StubWorker


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server begins two jobs at a time that nobody waits for."""
    monkeypatch.setitem(runner.JobRunner.__init__.__kwdefaults__, "ahead", 2)


def asked(seed: int, **wishes: float) -> GenerationRequest:
    return GenerationRequest("stub", {"prompt": "a fox"}, seed=seed, wishes=Wishes(**wishes))  # type: ignore[arg-type]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("deadline", [{"deadline": 60.0}, {}])
def test_a_job_that_a_client_waits_for_begins_beside_all_that_nobody_waits_for(tmp_path: Path, deadline: dict):
    worker = StubWorker()
    worker.gate.clear()

    async def main(served: Served) -> None:
        background = served.service.background
        for seed in range(6):
            await background.add(asked(seed), ADA, "picture")
        await served.until(lambda: len(worker.tasks) == 2)

        async def link() -> JobRecord | None:
            async with background.hold(asked(100, **deadline), BEN, "picture") as job:
                return await background.wait(job.id, BEN)

        waiting = asyncio.create_task(link())
        await served.until(lambda: len(worker.tasks) == 3)
        assert worker.tasks[-1].seed == 100
        await asyncio.sleep(0.05)
        assert len(worker.tasks) == 3, "what nobody waits for has still its own bound"
        worker.gate.set()
        over = await waiting
        assert over is not None
        assert over.state == "done"

    serve(main, worker, folder=tmp_path)
