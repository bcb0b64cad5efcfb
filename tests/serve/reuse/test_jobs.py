"""What is promised is answered from what was made before, joins what is promised besides, and is recorded."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from evocache.errors import StoreError
from evocache.serve.background import making, runner
from evocache.serve.background.request_text import read_request, write_request
from evocache.serve.jobs.record import JobRecord
from evocache.serve.requests.failures import UnmadeError
from evocache.serve.requests.identity import Identity
from evocache.serve.requests.request import GenerationRequest, Wishes
from evocache.serve.workers.task import Picture
from evocache.usage.records.event import Event
from evocache.usage.records.open_store import open_store
from tests.serve.reuse.served import ADA, BEN, Served, serve
from tests.serve.stub_worker import MOVING, STILL, StubWorker

FOX = {"prompt": "a fox"}


async def promise(served: Served, who: Identity = ADA, kind: str = "picture", **wanted: object) -> JobRecord:
    """Promise a job."""
    wishes = {name: wanted.pop(name) for name in vars(Wishes()) if name in wanted}
    model = "stub" if kind == "picture" else "moving"
    asked = GenerationRequest(model, FOX, wishes=Wishes(**wishes), **wanted)  # type: ignore[arg-type]
    return await served.service.background.add(asked, who, kind)  # type: ignore[arg-type]


async def over(served: Served, job: JobRecord) -> JobRecord:
    """Wait for a job's end, and for what is stored of it."""
    found = await served.service.background.wait(job.id, Identity(job.tenant, job.owner))
    assert found is not None
    assert found.state == "done", found.error
    await served.until(lambda: not served.service.reuse.figures()["flights"])
    return found


def reuse_of(job: JobRecord) -> list[str]:
    """How each picture of a job was come by."""
    assert job.result is not None
    return [one["reuse"] for one in json.loads(job.result.details)["pictures"]]


def events(folder: Path) -> list[Event]:
    with open_store(folder / "usage.db", privacy="text") as store:
        return list(store.read())


def test_a_job_is_answered_by_an_earlier_one_of_its_owner(folder: Path):
    async def main(served: Served) -> None:
        first = await over(served, await promise(served, seed=7, count=2))
        again = await over(served, await promise(served, seed=8, count=2))
        other = await over(served, await promise(served, BEN, seed=7))
        off = await over(served, await promise(served, seed=7, cache="off"))
        assert [*map(reuse_of, (first, again, other, off))] == [["none"] * 2, ["exact", "none"], ["none"], ["none"]]
        files = served.service.background._files
        assert files.read(first, "picture-1") == files.read(again, "picture-0")

    service = serve(main, folder=folder)
    assert sorted(event.kind for event in events(folder)) == sorted(["miss", "miss", "hit", "miss", "miss", "skipped"])
    assert service.reuse.records.counts["hit"] == 1


def test_plain_calls_and_jobs_answer_each_other(folder: Path):
    async def main(served: Served) -> None:
        await over(served, await promise(served, seed=7))
        assert (await served.ask(seed=7))[0].account.reuse == "exact"
        await served.ask(seed=9)
        await served.until(lambda: not served.service.reuse.figures()["flights"])
        assert reuse_of(await over(served, await promise(served, seed=9))) == ["exact"]

    serve(main, folder=folder)


def test_a_video_is_made_once(folder: Path):
    worker = StubWorker(STILL, MOVING)

    async def main(served: Served) -> None:
        first = await over(served, await promise(served, kind="video", seed=3))
        again = await over(served, await promise(served, kind="video", seed=3))
        assert (reuse_of(first), reuse_of(again)) == (["none"], ["exact"])

    serve(main, worker, folder=folder)
    assert len(worker.tasks) == 1


def test_jobs_join_each_other_and_wait_for_no_plain_call(folder: Path):
    worker = StubWorker()
    worker.gate.clear()

    async def main(served: Served) -> None:
        plain = asyncio.create_task(served.ask(seed=5))
        await served.until(lambda: len(worker.tasks) == 1)
        jobs = [await promise(served, seed=5) for _ in range(2)]
        await served.until(lambda: len(worker.tasks) == 2)
        plain.cancel()  # which ends its run
        worker.gate.set()
        found = [await over(served, job) for job in jobs]
        assert sorted(reuse for job in found for reuse in reuse_of(job)) in (["joined", "none"], ["exact", "none"])

    serve(main, worker, folder=folder)
    assert len(worker.tasks) == 2


@pytest.mark.parametrize("unseeded", [False, True])
def test_without_a_seed_a_job_repeats_another_where_that_is_allowed(folder: Path, unseeded: bool):
    async def main(served: Served) -> None:
        first, again = [await over(served, await promise(served)) for _ in range(2)]
        assert reuse_of(again) == (["exact"] if unseeded else ["none"])
        assert (first.seed == again.seed) == unseeded

    serve(main, folder=folder, unseeded=unseeded)
    found = events(folder)
    assert {event.seeded for event in found} == {False}
    assert found[0].key == found[1].key


def test_the_text_of_a_job_is_recorded_only_where_its_owner_agrees(folder: Path):
    async def main(served: Served) -> None:
        await over(served, await promise(served, seed=1))
        await over(served, await promise(served, seed=2, learn=True))

    serve(main, folder=folder)
    assert [event.text for event in events(folder)] == [None, "a fox"]


def test_a_plain_call_does_not_wait_in_the_line_of_what_nobody_waits_for(folder: Path):
    worker = StubWorker()
    worker.gate.clear()

    async def main(served: Served) -> None:
        served.service._dispatcher._queue._bench.seats[0].open = 4
        jobs = [await promise(served, seed=seed) for seed in range(4)]
        await served.until(lambda: len(served.service._dispatcher._queue.waiting) == 2)
        (begun, waits) = (worker.tasks[0].seed, next(iter(served.service._dispatcher._queue.waiting)).task.seed)
        running = asyncio.create_task(served.ask(seed=begun))
        waiting = asyncio.create_task(served.ask(seed=waits))
        await served.until(lambda: len(worker.tasks) == 3)
        assert worker.tasks[-1].seed == waits
        worker.gate.set()
        assert [(await one)[0].account.reuse for one in (running, waiting)] == ["joined", "none"]
        for job in jobs:
            await over(served, job)

    serve(main, worker, folder=folder)


def test_a_job_is_recorded_once_however_often_it_is_begun(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(making, "PAUSES", (0.01,))
    monkeypatch.setattr(runner, "REST", 0.05)
    worker, told = StubWorker(), list[str]()
    worker.gate.clear()

    async def ends(served: Served) -> None:
        await promise(served, seed=5)
        await served.until(lambda: len(worker.tasks) == 1)
        object.__setattr__(served.service.settings, "drain", 0.0)

    async def main(served: Served) -> None:
        served.service.observer.told = lambda outcome, *_: told.append(outcome.end)  # type: ignore[method-assign]
        runs, failing = served.service.background._runs, [True]
        finish = runs.finish

        def finished(*given: Any) -> bool:
            if failing:
                raise StoreError("a database", "one that is there", "try again")
            return finish(*given)

        runs.finish = finished  # type: ignore[method-assign]
        await served.until(lambda: served.service.reuse.records.counts["miss"] == 1)
        await served.until(lambda: not served.service.background._runner._making)
        failing.clear()
        served.service.background._runner.wake()
        (job,) = (await served.service.background.list(ADA, "picture", None, 10, "asc")).records
        found = await over(served, job)
        assert found.attempts > 2
        assert reuse_of(found) == ["exact"]

    serve(ends, worker, folder=folder)
    assert events(folder) == []
    serve(main, folder=folder)
    assert [event.kind for event in events(folder)] == ["miss"]
    assert told == ["made"]


def test_a_job_that_fails_is_recorded_and_told_once(folder: Path):
    told = list[tuple[str, str]]()

    async def main(served: Served) -> None:
        served.service.observer.told = lambda outcome, *_: told.append((outcome.end, outcome.reason))  # type: ignore[method-assign]
        asked = GenerationRequest("stub", {"prompt": "fail memory"}, seed=1)
        job = await served.service.background.add(asked, ADA, "picture")
        found = await served.service.background.wait(job.id, ADA)
        assert found is not None
        assert found.state == "failed"
        await served.until(lambda: bool(told))

    serve(main, folder=folder)
    assert [event.kind for event in events(folder)] == ["failed"]
    assert told == [("failed", "memory")]


def test_a_plain_call_that_joined_a_job_is_told_that_the_workers_were_given_up(folder: Path):
    worker = StubWorker()
    worker.gate.clear()

    async def main(served: Served) -> None:
        job = await promise(served, seed=5)
        await served.until(lambda: len(worker.tasks) == 1)
        plain = asyncio.create_task(served.ask(seed=5))
        await asyncio.sleep(0.05)
        served.service._dispatcher.remove(worker)
        served.service._dispatcher.give_up("it died")
        with pytest.raises(UnmadeError, match="given up") as caught:
            await plain
        assert caught.value.reason == "worker"
        await served.until(lambda: not served.service.background._runner._making)
        found = await served.service.background.get(job.id, ADA)
        assert found is not None
        assert found.state == "queued"

    serve(main, worker, folder=folder)
    assert [event.kind for event in events(folder)] == ["failed"], "the job itself is not over"


def test_the_deadline_of_who_waits_is_that_of_the_clock_and_ends_with_them(folder: Path):
    worker = StubWorker()
    worker.gate.clear()
    link = GenerationRequest("stub", FOX, seed=5, wishes=Wishes(deadline=100.0))
    text = write_request(link)
    assert "deadline" not in text
    assert read_request(text).wishes.deadline is None

    async def main(served: Served) -> None:
        found, answer = list[float | None](), served.service.reuse.answer

        async def noted(asked: GenerationRequest, *given: Any, **named: Any) -> Any:
            found.append(asked.wishes.deadline)
            return await answer(asked, *given, **named)

        served.service.reuse.answer = noted  # type: ignore[method-assign]
        async with served.service.background.hold(link, ADA, "picture"):
            await served.until(lambda: len(found) == 1)
        await promise(served, seed=6)
        await served.until(lambda: len(found) == 2)
        assert found[0] is not None
        assert 0 < found[0] < 100.0
        assert found[1] is None
        worker.gate.set()

    serve(main, worker, folder=folder)


@pytest.mark.parametrize("again", [False, True])
def test_what_a_deleted_job_made_is_not_stored_any_more(folder: Path, again: bool):
    picture = Picture(bytes(range(192)), 8, 8)

    async def main(served: Served) -> None:
        background = served.service.background
        asked = GenerationRequest("stub", FOX, seed=7, count=2, pictures={"image": picture})
        job = await background.add(asked, ADA, "picture")
        await background.wait(job.id, ADA)  # what it made may be stored yet
        other = await over(served, await promise(served, BEN, seed=7))
        assert await background.delete(job.id, BEN) is None
        assert await background.delete(job.id, ADA) is not None
        if not again:
            assert await served.reuse_of(ADA, seed=7, pictures={"image": picture}) == ["none"]
            assert await served.reuse_of(ADA, seed=8, pictures={"image": picture}) == ["none"]
            assert await served.reuse_of(BEN, seed=7) == ["exact"]
        assert other.state == "done"

    async def later(served: Served) -> None:
        assert await served.reuse_of(ADA, seed=7, pictures={"image": picture}) == ["none"]
        assert await served.reuse_of(BEN, seed=7) == ["exact"]

    serve(main, folder=folder)
    if again:
        serve(later, folder=folder)
