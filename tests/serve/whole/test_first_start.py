"""A server whose workers cannot start says why and ends; one of which some can goes on with these."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from evocache.errors import ModelError
from evocache.serve.service import Service
from evocache.serve.settings import Settings
from evocache.serve.workers.card import ModelCard
from evocache.serve.workers.worker import Tell
from tests.serve.stub_worker import StubWorker

STUBBED = """
from functools import partial
from evocache.serve import start
from tests.serve.workers import stub
start.Supervisor = partial(start.Supervisor, worker=stub.STUB)
start.LocalWorker = stub.StubWorker
from evocache.cli import main
main()
"""
"""The command line, whose workers are stubs."""


def serve(program: Sequence[str], *options: object) -> tuple[int, str]:
    """Call `evocache serve`; return its exit code and what it wrote."""
    command = [sys.executable, *program, "serve", "--port", "0", *map(str, options)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    return done.returncode, done.stdout


@pytest.mark.parametrize("workers", [0, 2])
def test_where_none_can_start_the_command_says_why_and_ends(workers: int):
    code, said = serve(("-c", STUBBED), "--model", "refused=zoo:emoji", "--workers", workers)
    assert code == 2  # as every error of the command line
    assert "error model 'refused'" in said
    assert said.count("cannot start") == max(1, workers)
    assert "Traceback" not in said


def test_an_error_of_another_library_is_told_without_where_it_was():
    code, said = serve(("-c", STUBBED), "--model", "fails=zoo:emoji")
    assert code == 2
    assert "RuntimeError: no luck" in said
    assert "error a worker that failed as it started" in said


@pytest.mark.slow
def test_a_folder_that_holds_no_whole_pipeline_ends_the_command(tmp_path: Path):
    (tmp_path / "model_index.json").write_text('{"_class_name": "NoPipeline"}')
    code, said = serve(("-m", "evocache"), "--model", tmp_path)
    assert code == 2
    assert "no attribute NoPipeline" in said
    assert "Traceback" not in said


class Refusing(StubWorker):
    """Cannot start."""

    def start(self, tell: Tell) -> Sequence[ModelCard]:
        raise ModelError("model 'refused'", "another", "try that")


def test_where_one_can_start_the_server_goes_on_with_it(caplog: pytest.LogCaptureFixture):
    async def main() -> None:
        async with Service(Settings({"stub": "x"}), [Refusing(), StubWorker()]) as service:
            while service.unready():
                await asyncio.sleep(0.005)
            assert service.unstartable is None
            assert service.figures()["workers"] == 1

    asyncio.run(main())
    assert "worker 0 cannot start: model 'refused'" in caplog.text


def test_where_none_can_start_the_service_says_why():
    async def main() -> None:
        known = asyncio.Event()
        service = Service(Settings({"stub": "x"}), [Refusing(), Refusing()])
        service.when_unstartable = known.set
        async with service:
            await asyncio.wait_for(known.wait(), 60)
            assert service.unready() == str(service.unstartable)
            assert "model 'refused'" in service.unready()

    asyncio.run(main())
