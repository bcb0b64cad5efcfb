"""What fails once in a loop of the server ends no loop."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evocache.errors import StoreError
from evocache.serve.background import background as background_of
from evocache.serve.background import runner, tombstones
from evocache.serve.jobs.calls import Calls
from evocache.serve.jobs.retention import Retention, free_bytes
from evocache.serve.jobs.runs import JobRuns
from evocache.serve.jobs.store import JobStore
from evocache.serve.requests.request import GenerationRequest
from tests.serve.reuse.served import ADA, Served, serve
from tests.serve.stub_worker import StubWorker


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    made = JobRuns.__init__
    monkeypatch.setattr(JobRuns, "__init__", lambda self, *given, **_: made(self, *given, lease=0.3))
    monkeypatch.setattr(background_of, "SWEEP", 0.05)
    monkeypatch.setattr(runner, "QUEUE_POLL", 0.05)
    monkeypatch.setattr(runner, "PROGRESS", 0.05)
    monkeypatch.setattr(tombstones, "PAUSE", 0.05)


@pytest.mark.parametrize(
    ("of", "name"),
    [
        (Retention, "sweep"),
        (JobStore, "waiting"),
        (JobRuns, "heartbeat"),
        (JobRuns, "recover"),
        (JobRuns, "progress"),
        (Calls, "note"),
    ],
)
def test_a_loop_goes_on_after_an_error_that_nobody_thought_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: type, name: str
):
    change: Callable[..., Any] = getattr(of, name)
    failing, called = list[str](), list[str]()

    def once(*given: Any, **named: Any) -> Any:
        if failing:
            raise OSError(116, failing.pop())
        called.append(name)
        return change(*given, **named)

    worker = StubWorker(steps=1000, seconds=0.005)

    async def main(served: Served) -> None:
        monkeypatch.setattr(of, name, once)
        failing.append("Stale file handle")
        await served.service.background.add(GenerationRequest("stub", {"prompt": "a fox"}, seed=1), ADA, "picture")
        if of is Calls:
            with served.service.background.tombstones.call(ADA):
                await served.until(lambda: not failing)
        await served.until(lambda: not failing)
        called.clear()
        await served.until(lambda: len(called) > 0)

    serve(main, worker, folder=tmp_path)


def test_results_leave_again_once_their_folder_is_back(tmp_path: Path):
    async def main(served: Served) -> None:
        sweeping = served.service.background._sweeping
        assert sweeping is not None
        swept = list[str]()
        sweep = served.service.background._retention.sweep
        shutil.move(tmp_path / "results", tmp_path / "away")

        def noted() -> Any:
            swept.append("")
            return sweep()

        served.service.background._retention.sweep = noted  # type: ignore[method-assign]
        await served.until(lambda: len(swept) > 2)
        with pytest.raises(StoreError, match="cannot be asked for its room"):
            await served.service.background.add(GenerationRequest("stub", {"prompt": "a fox"}), ADA, "picture")
        shutil.move(tmp_path / "away", tmp_path / "results")
        assert not sweeping.done()

    serve(main, folder=tmp_path)


def test_a_folder_that_is_away_is_said_to_be(tmp_path: Path):
    with pytest.raises(StoreError, match="FileNotFoundError"):
        free_bytes(tmp_path / "away")
