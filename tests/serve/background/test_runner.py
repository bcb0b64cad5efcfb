"""Jobs as a server runs them while databases, disks and workers come and go, and while it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evocache.errors import QuotaError, StoreError
from evocache.serve.background import making, runner
from evocache.serve.background.background import Background
from evocache.serve.jobs.record import JobRecord
from evocache.serve.jobs.runs import JobRuns
from evocache.serve.requests.identity import Identity
from evocache.serve.requests.request import GenerationRequest
from evocache.serve.service import Service
from evocache.serve.settings import Settings
from tests.serve.stub_worker import INKED, MOVING, STILL, StubWorker

ME = Identity()
FOX = GenerationRequest("stub", {"prompt": "a fox"}, seed=1)
AWAY = StoreError("a database in /secret/place", "one that is there", "try again")

Change = Callable[..., Any]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "PAUSES", (0.01, 0.02))
    monkeypatch.setattr(runner, "REST", 0.05)
    monkeypatch.setattr(runner, "QUEUE_POLL", 0.05)


@pytest.fixture
def heard_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server says that it lives many times a second."""
    made = JobRuns.__init__
    monkeypatch.setattr(JobRuns, "__init__", lambda self, *given, **_: made(self, *given, lease=0.3))


async def until(met: Callable[[], Awaitable[bool]]) -> None:
    end = time.monotonic() + 60
    while not await met():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def serving(folder: Path, worker: StubWorker) -> Service:
    return Service(Settings({"stub": "x", "moving": "x"}, folder=folder, drain=0.1), [worker])


def run(folder: Path, worker: StubWorker, act: Callable[[Background], Awaitable[None]]) -> None:
    """Serve jobs while something is done."""

    async def main() -> None:
        async with serving(folder, worker) as service:
            await until(lambda: _value(not service.unready()))
            await act(service.background)

    asyncio.run(main())


async def _value(value: bool) -> bool:
    return value


async def over(background: Background, job: JobRecord) -> JobRecord:
    found = await asyncio.wait_for(background.wait(job.id, ME), 60)
    assert found is not None
    return found


def failing(change: Change, times: int, error: Exception = AWAY) -> Change:
    """A change that fails so many times before it is done."""
    left = iter(range(times))

    def changed(*given: Any) -> Any:
        if next(left, None) is not None:
            raise error
        return change(*given)

    return changed


def results(folder: Path) -> list[Path]:
    return [path for path in (folder / "results").rglob("*") if path.is_file()]


@pytest.mark.parametrize("change", ["choose", "finish"])
@pytest.mark.parametrize("times", [1, 4])
def test_a_database_that_is_away_for_a_while_fails_no_job(tmp_path: Path, change: str, times: int):
    async def act(background: Background) -> None:
        runs = background._runs
        setattr(runs, change, failing(getattr(runs, change), times))
        job = await over(background, await background.add(FOX, ME, "picture"))
        assert (job.state, job.error) == ("done", None)
        assert job.attempts == (1 if times == 1 else 2)
        assert job.result is not None
        assert [path.name for path in results(tmp_path)] == [file.name for file in job.result.files]

    run(tmp_path, StubWorker(), act)


def test_a_result_whose_word_was_lost_is_not_deleted(tmp_path: Path):
    async def act(background: Background) -> None:
        finish, words = background._runs.finish, iter([True])

        def finished(*given: Any) -> bool:
            done = finish(*given)
            if next(words, False):
                raise AWAY
            return done

        background._runs.finish = finished  # type: ignore[method-assign]
        job = await over(background, await background.add(FOX, ME, "picture"))
        assert (job.state, job.attempts) == ("done", 1)
        await until(lambda: _value(not background._runner._making))
        assert len(results(tmp_path)) == 1

    run(tmp_path, StubWorker(), act)


@pytest.mark.usefixtures("heard_often")
def test_a_job_of_which_nothing_could_be_kept_runs_again(tmp_path: Path):
    async def act(background: Background) -> None:
        runs, back = background._runs, asyncio.Event()
        finish, release = runs.finish, runs.release

        def away(*given: Any) -> Any:
            if back.is_set():
                return (finish if len(given) == 2 else release)(*given)
            raise AWAY

        runs.finish = runs.release = away  # type: ignore[method-assign]
        job = await background.add(FOX, ME, "picture")
        await until(lambda: _value(bool(worker.tasks) and not background._runner._making))
        back.set()
        job = await over(background, job)
        assert (job.state, job.attempts > 1) == ("done", True)

    worker = StubWorker()
    run(tmp_path, worker, act)


@pytest.mark.parametrize(
    ("error", "code"),
    [(QuotaError("/secret/place", "room", "delete"), "no_room"), (RuntimeError("/secret/place"), "internal_error")],
)
def test_owners_are_not_told_of_the_server_s_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
):
    def keep(*given: Any) -> None:
        raise error

    async def act(background: Background) -> None:
        job = await over(background, await background.add(FOX, ME, "picture"))
        assert job.error is not None
        assert job.error.code == code
        assert "secret" not in job.error.text

    monkeypatch.setattr(making, "keep_pictures", keep)
    run(tmp_path, StubWorker(), act)


@pytest.mark.usefixtures("heard_often")
def test_what_is_begun_while_a_server_is_heard_goes_on(tmp_path: Path):
    async def act(background: Background) -> None:
        heartbeat, late = background._runs.heartbeat, asyncio.get_running_loop()
        added: list[JobRecord] = []

        def slow() -> frozenset[str]:
            mine = heartbeat()
            if not added:  # what is begun now is not among them
                added.append(asyncio.run_coroutine_threadsafe(background.add(FOX, ME, "picture"), late).result(60))
                while not worker.tasks:
                    time.sleep(0.01)
            return mine

        background._runs.heartbeat = slow  # type: ignore[method-assign]
        await until(lambda: _value(bool(worker.tasks)))
        await asyncio.sleep(0.1)
        worker.gate.set()
        job = await over(background, added[0])
        assert (job.state, job.attempts, len(worker.tasks)) == ("done", 1, 1)

    worker = StubWorker()
    worker.gate.clear()
    run(tmp_path, worker, act)


def test_jobs_that_wait_when_a_server_ends_run_in_the_next_one(tmp_path: Path):
    async def main() -> None:
        worker = StubWorker()
        worker.gate.clear()
        async with serving(tmp_path, worker) as service:
            await until(lambda: _value(not service.unready()))
            runs, begun = service.background._runs, list[str]()
            begin = runs.begin

            def ends(id: str) -> JobRecord | None:
                begun.append(id)
                if len(begun) == 3:  # in the middle of a look
                    service._dispatcher._desk.door.closed = True
                return begin(id)

            runs.begin = ends  # type: ignore[method-assign]
            service.background._runner._ahead = 0
            jobs = [await service.background.add(FOX, ME, "picture") for _ in range(8)]
            service.background._runner._ahead = runner.AHEAD
            service.background._runner.wake()
            await until(lambda: _value(service._dispatcher.draining))
            await asyncio.sleep(0.1)
            assert len(begun) == 3
        async with serving(tmp_path, StubWorker()) as service:
            ends_of = [await over(service.background, job) for job in jobs]
            assert [job.state for job in ends_of] == ["done"] * 8

    asyncio.run(main())


def test_jobs_are_made_with_their_loras_by_the_next_server_or_say_that_these_are_gone(tmp_path: Path):
    inked = replace(INKED, name="stub")
    asked = [replace(FOX, loras=loras) for loras in ({"ink": 0.8}, {"clay": 0.5}, {})]
    kept: list[JobRecord] = []

    async def promise(background: Background) -> None:
        first.gate.clear()
        kept.extend([await background.add(each, ME, "picture") for each in asked])

    async def end(background: Background) -> None:
        made, gone, plain = [await over(background, job) for job in kept]
        assert (made.state, gone.state, plain.state) == ("done", "failed", "done")
        assert gone.error is not None
        assert gone.error.code == "invalid_value"
        assert "LoRA 'clay' of stub, which the server has no more" in gone.error.text
        assert "one of ink" in gone.error.text

    first, second = StubWorker(inked), StubWorker(replace(inked, loras=inked.loras[:1]))
    run(tmp_path, first, promise)
    run(tmp_path, second, end)
    assert sorted((task.loras for task in second.tasks), key=len) == [{}, {"ink": 0.8}]


def test_jobs_of_a_model_that_is_not_served_hold_nobody_up(tmp_path: Path):
    film = GenerationRequest("moving", {"prompt": "a fox"}, seed=1)
    worker = StubWorker(STILL, MOVING)
    worker.gate.clear()

    async def add(background: Background) -> None:
        for _ in range(runner.AHEAD + 1):
            await background.add(film, ME, "video")

    async def look(background: Background) -> None:
        assert (await over(background, await background.add(FOX, ME, "picture"))).state == "done"

    run(tmp_path, worker, add)
    run(tmp_path, StubWorker(STILL), look)


def test_who_has_less_begun_goes_first(tmp_path: Path):
    async def act(background: Background) -> None:
        background._runner._ahead = 2
        mine = [await background.add(replace(FOX, seed=seed), ME, "picture") for seed in range(6)]
        await until(lambda: _value(len(worker.tasks) == 2))
        other = Identity(key="other")
        theirs = await background.add(FOX, other, "picture")
        worker.gate.set()
        for job in mine:
            await over(background, job)
        found = await background.get(theirs.id, other)
        states = [await background.get(job.id, ME) for job in mine]
        assert found is not None
        assert found.started is not None
        later = [job for job in states if job is not None and job.started is not None and job.started > found.started]
        assert len(later) >= 3

    worker = StubWorker()
    worker.gate.clear()
    run(tmp_path, worker, act)


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    keep, said = making.keep_pictures, list[str]()

    def slow(*given: Any) -> Any:
        said.append("begun")
        time.sleep(0.2)
        kept = keep(*given)
        said.append("kept")
        return kept

    monkeypatch.setattr(making, "keep_pictures", slow)
    return said


def test_of_a_job_that_is_deleted_as_it_is_kept_no_file_stays(tmp_path: Path, slow_disk: list[str]):
    async def act(background: Background) -> None:
        job = await background.add(FOX, ME, "picture")
        await until(lambda: _value(bool(slow_disk)))
        assert await background.delete(job.id, ME) is not None
        await until(lambda: _value(len(slow_disk) == 2 and not background._runner._making))
        assert results(tmp_path) == []

    run(tmp_path, StubWorker(), act)


def test_a_database_that_is_away_at_the_end_keeps_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def act(background: Background) -> None:
        monkeypatch.setattr(background._runs, "close", failing(background._runs.close, 1))

    closed: list[bool] = []
    worker = StubWorker()
    worker.close = lambda: closed.append(True)  # type: ignore[method-assign]
    with pytest.raises(StoreError):
        run(tmp_path, worker, act)
    assert closed == [True]
