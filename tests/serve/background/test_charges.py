"""Seconds of quotas are charged for what is computed, and given back where they were charged."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from evocache.serve.control.shares import Owner
from evocache.serve.jobs.record import JobRecord
from evocache.serve.requests.request import GenerationRequest
from tests.serve.reuse.served import ADA, Served, serve
from tests.serve.stub_worker import StubWorker


def asked(seed: int, count: int = 1) -> GenerationRequest:
    return GenerationRequest("stub", {"prompt": "a fox"}, seed=seed, count=count)


def charged(served: Served) -> float:
    """Seconds that count of Ada's quota."""
    account = Owner(ADA.tenant, ADA.key, ADA.user).account
    return served.service._dispatcher._desk.door.rates._of(account).work.amount(time.monotonic())


async def over(served: Served, job: JobRecord) -> None:
    found = await served.service.background.wait(job.id, ADA)
    assert found is not None
    assert found.state == "done"
    await served.until(lambda: not served.service.reuse.figures()["flights"])


@pytest.mark.parametrize("linked", [False, True])
def test_a_job_that_is_answered_from_what_is_stored_costs_no_seconds(tmp_path: Path, linked: bool):
    async def main(served: Served) -> None:
        background = served.service.background

        async def make(request: GenerationRequest) -> None:
            if not linked:
                return await over(served, await background.add(request, ADA, "picture"))
            async with background.hold(request, ADA, "picture") as job:
                await over(served, job)

        await make(asked(7))
        once = charged(served)
        assert once == pytest.approx(0.02), "what it took"
        for _ in range(3):
            await make(asked(7))
        assert charged(served) == pytest.approx(once)
        await make(asked(7, 2))
        assert charged(served) == pytest.approx(2 * once), "of two one was there"

    serve(main, folder=tmp_path)


def test_what_this_server_charged_nothing_for_gives_nothing_back(tmp_path: Path):
    first, second, jobs = StubWorker(), StubWorker(), list[JobRecord]()

    async def promise(served: Served) -> None:
        first.gate.clear()
        jobs.extend([await served.service.background.add(asked(seed), ADA, "picture") for seed in range(4)])
        await served.until(lambda: len(first.tasks) == 4)
        object.__setattr__(served.service.settings, "drain", 0.0)

    async def again(served: Served) -> None:
        await served.until(lambda: len(second.tasks) == 4)
        assert charged(served) == 0.0
        plain = [asyncio.create_task(served.ask(seed=seed)) for seed in (11, 12)]
        await served.until(lambda: len(second.tasks) == 6)
        before = charged(served)
        assert before > 0
        for job in jobs[:2]:
            await served.service.background.delete(job.id, ADA)
        await served.until(lambda: len(second.open_tasks) == 4)
        await asyncio.sleep(0.05)
        assert charged(served) == before
        second.gate.set()
        await asyncio.gather(*plain)
        for job in jobs[2:]:
            await over(served, job)
        assert charged(served) == pytest.approx(0.04), "what the plain calls took"

    second.gate.clear()
    serve(promise, first, folder=tmp_path)
    serve(again, second, folder=tmp_path)
