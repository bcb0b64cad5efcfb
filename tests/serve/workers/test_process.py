"""A worker in a process of its own: the same contract, whatever becomes of the process."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from evocache.errors import BudgetError, GenerationError, ModelError
from evocache.serve.workers import process
from evocache.serve.workers.process import ProcessWorker
from evocache.serve.workers.task import Picture, Task
from evocache.serve.workers.updates import Cancelled, Failed, Made, Previewed, Progressed
from evocache.serve.workers.worker import WorkerSettings
from tests.serve.workers.processes import is_alive, state_of, wait_for
from tests.serve.workers.stub import STUB, card
from tests.serve.workers.told import Told

LONG = {"prompt": "a fox", "steps": 100_000}


def made(*names: str, **more: Any) -> ProcessWorker:
    return ProcessWorker(WorkerSettings(dict.fromkeys(names or ("stub",), "x"), {}), worker=STUB, **more)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def worker(told: Told) -> Iterator[ProcessWorker]:
    one = made()
    one.start(told)
    yield one
    pid = one.pid
    one.close()
    assert pid is not None
    assert not is_alive(pid)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("evocache")]


def test_all_that_is_asked_for_and_told_arrives_as_it_was(told: Told) -> None:
    worker = made("one", "two")
    assert worker.start(told) == [card("one"), card("two")]
    pixels = random.Random(0).randbytes(3 << 20)
    arguments = {"prompt": 'a "fox" \ud800\u0000é', "steps": 2, "guidance": 0.1, "on": True, "off": None}
    pictures = {"image": Picture(pixels, 1024, 1024), "mask_image": Picture(b"\x00\xff", 2, 1, 1, 1)}
    worker.submit(Task("a", "one", arguments, -(1 << 62), pictures, 3, "somebody", 1.5))
    assert told.end("a") == Made(Picture(pixels, 2, 4), {"compute": 0.5}, ("a note", str(arguments)))
    assert [u for u in told.of["a"] if isinstance(u, Progressed)] == [Progressed(1, 2), Progressed(2, 2)]
    worker.submit(Task("b", "two", {"do": "fail"}, 1))
    assert told.end("b") == Failed("input", "as it was asked")
    worker.submit(Task("c", "two", LONG, 1))
    worker.preview("c")
    assert told.first("c", Previewed) == Previewed(1, Picture(b"\x01\x02\x03", 1, 1))
    with pytest.raises(GenerationError, match="second task"):
        worker.submit(Task("c", "two", LONG, 1))
    worker.cancel("c")
    assert told.end("c") == Cancelled()
    worker.ping()
    wait_for(lambda: worker.silence == 0)
    assert worker.figures() == {"done": 2, "pid": worker.pid, "open": 0}
    worker.close()
    assert all(len(told.ends(id)) == 1 for id in "abc")


@pytest.mark.parametrize(
    ("name", "error", "word"),
    [
        ("refused", ModelError, "model 'refused'"),
        ("large", BudgetError, "1000 bytes|0.001 MB"),
        ("fails", GenerationError, "RuntimeError: no luck"),
        ("dies", GenerationError, "exit code 3"),
    ],
)
def test_why_a_worker_does_not_start_is_said_as_in_this_process(
    told: Told, name: str, error: type[Exception], word: str
) -> None:
    worker = made(name)
    with pytest.raises(error, match=word):
        worker.start(told)
    assert worker.pid is not None
    assert not is_alive(worker.pid)
    with pytest.raises(GenerationError, match="twice"):
        worker.start(told)


@pytest.mark.parametrize(("do", "how"), [("exit", "exit code 7"), ("segfault", "signal SIGSEGV")])
def test_a_process_that_ends_has_its_tasks_fail(told: Told, do: str, how: str) -> None:
    gone: list[str] = []
    worker = made(when_gone=gone.append)
    worker.start(told)
    worker.submit(Task("other", "stub", LONG, 1))
    told.first("other", Progressed)
    worker.submit(Task("cause", "stub", {"do": do}, 1))
    for id in ("other", "cause"):
        end = told.end(id)
        assert isinstance(end, Failed)
        assert end.reason == "worker"
        assert how in end.text
    wait_for(lambda: gone == [how])
    with pytest.raises(GenerationError, match="closed"):
        worker.submit(Task("late", "stub", {}, 1))
    worker.close()
    assert gone == [how]


def test_after_each_of_a_hundred_kills_each_task_has_one_end_and_nothing_is_left() -> None:
    draw, kinds = random.Random(0), set()
    for _ in range(100):
        told, gone = Told(), threading.Event()
        worker = made(when_gone=lambda why, gone=gone: gone.set())
        worker.start(told)
        pid, ids = worker.pid, [str(number) for number in range(8)]
        assert pid is not None
        for id in ids:
            worker.submit(Task(id, "stub", {"steps": draw.choice((1, 4, 100_000))}, 1))
        time.sleep(draw.random() * 0.02)
        os.kill(pid, signal.SIGKILL)
        assert gone.wait(30)
        for id in ids:
            assert len(told.ends(id)) == 1, told.of[id]
            assert told.of[id][-1] is told.ends(id)[0]
            kinds.add(type(told.end(id)))
        worker.close()
        assert not is_alive(pid)
    assert kinds == {Made, Failed}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("evocache")]


def test_closing_ends_all_tasks_and_one_that_stays_is_killed(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    gone: list[str] = []
    for name, patience in (("stub", 30.0), ("stays", 0.2)):
        monkeypatch.setattr(process, "PATIENCE", patience)
        worker = made(name, when_gone=gone.append)
        worker.start(told)
        for id in "abc":
            worker.submit(Task(f"{name} {id}", name, LONG, 1))
        told.first(f"{name} a", Progressed)
        worker.close()
        assert [told.ends(f"{name} {id}") for id in "abc"] == [[Cancelled()]] * 3
        assert worker.pid is not None
        assert not is_alive(worker.pid)
        worker.close()
    assert not gone


def test_signals_of_a_terminal_or_a_service_manager_do_not_end_it(worker: ProcessWorker, told: Told) -> None:
    assert worker.pid is not None
    assert os.getpgid(worker.pid) != os.getpgid(0)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(worker.pid, number)
    worker.submit(Task("after", "stub", {}, 1))
    assert isinstance(told.end("after"), Made)


def test_a_fault_of_the_worker_s_own_is_told_and_it_goes_on(worker: ProcessWorker, told: Told) -> None:
    worker.submit(Task("odd", "stub", {"do": "raise"}, 1))
    assert told.end("odd") == Failed("worker", "its worker failed (RuntimeError)")
    worker.submit(Task("after", "stub", {}, 1))
    assert isinstance(told.end("after"), Made)


def test_what_the_process_writes_is_logged_under_its_name(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "evocache.serve"):
        worker = made(name="worker 3")
        worker.start(told)
        worker.submit(Task("a", "stub", {"do": "write", "prompt": "something"}, 1))
        told.end("a")
        worker.close()
    assert "worker 3: said something" in caplog.messages


def test_silence_is_counted_from_the_first_ping_without_an_answer(worker: ProcessWorker) -> None:
    assert worker.pid is not None
    assert worker.silence == 0
    os.kill(worker.pid, signal.SIGSTOP)
    wait_for(lambda: state_of(worker.pid or 0) == "T")
    worker.ping()
    worker.ping()
    time.sleep(0.05)
    assert worker.silence >= 0.05
    for number in range(2000):  # nobody waits for who does not read
        worker.submit(Task(str(number), "stub", {"prompt": "x" * 1000}, 1))
    os.kill(worker.pid, signal.SIGCONT)
    wait_for(lambda: worker.silence == 0)


SERVER = """
import sys, threading, time
from tests.serve.workers.stub import STUB
from evocache.serve.workers.process import ProcessWorker
from evocache.serve.workers.task import Task
from evocache.serve.workers.worker import WorkerSettings
worker = ProcessWorker(WorkerSettings({"stub": "x"}, {}), worker=STUB)
starting = threading.Thread(target=worker.start, args=(print,))  # a thread that ends
starting.start()
starting.join()
worker.submit(Task("a", "stub", {"do": sys.argv[1]}, 1))
time.sleep(.5)
print("pid", worker.pid, flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("do", ["nothing", "hold the lock"])
def test_it_does_not_outlive_its_server_even_where_a_library_holds_the_lock(do: str) -> None:
    path = os.pathsep.join(filter(None, sys.path))
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, do], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert server.stdout is not None
    with server, server.stdout:
        line = next(line for line in server.stdout if line.startswith("pid"))
        pid = int(line.split()[1])
        assert is_alive(pid)
        server.kill()
    wait_for(lambda: not is_alive(pid))
