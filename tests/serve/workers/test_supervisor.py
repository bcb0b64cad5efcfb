"""Several workers: who dies or hangs is replaced, who dies again and again is given up, and nothing is left behind."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from evocache.errors import GenerationError, InputError, ModelError
from evocache.serve.workers.card import ModelCard
from evocache.serve.workers.process import ProcessWorker
from evocache.serve.workers.supervisor import Patience, Supervisor, share_settings
from evocache.serve.workers.task import Task
from evocache.serve.workers.updates import Failed, Made, Progressed
from evocache.serve.workers.worker import Worker, WorkerSettings
from tests.serve.workers.processes import is_alive, state_of, wait_for
from tests.serve.workers.stub import STUB, card
from tests.serve.workers.told import Told

QUICK = Patience(ping=0.02, silence=60.0, busy=600.0, first=0.01, longest=0.05, soon=0.0, deaths=3)
LONG = {"prompt": "a fox", "steps": 100_000}


class Seen:
    """Notes who came and went."""

    def __init__(self, greet: Callable[[ProcessWorker], None] = lambda worker: None) -> None:
        self.here: dict[str, ProcessWorker] = {}
        self.pids: list[int] = []
        self.whys: list[str] = []
        self.given_up: list[str] = []
        self._greet = greet

    def came(self, name: str, worker: Worker, cards: Sequence[ModelCard]) -> None:
        assert isinstance(worker, ProcessWorker)
        assert worker.pid is not None
        assert name not in self.here
        self.pids.append(worker.pid)
        self.here[name] = worker
        self._greet(worker)

    def went(self, name: str, why: str) -> None:
        del self.here[name]
        self.whys.append(why)

    def gave_up(self, name: str, why: str) -> None:
        assert name not in self.here
        self.given_up.append(f"{name}: {why}")


def settings(model: str = "stub") -> WorkerSettings:
    return WorkerSettings({model: "x"}, {})


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("evocache")]


def test_all_start_take_tasks_and_end_together() -> None:
    told, seen = Told(), Seen()
    supervisor = Supervisor(settings(), 2, patience=QUICK, worker=STUB)
    assert "it starts" in supervisor.why_unready
    assert supervisor.start(told, seen) == [card("stub")]
    assert sorted(seen.here) == ["worker 0", "worker 1"]
    assert not supervisor.why_unready
    for name, worker in seen.here.items():
        worker.submit(Task(name, "stub", {}, 1))
    assert all(isinstance(told.end(name), Made) for name in seen.here)
    wait_for(lambda: all(found.get("done") == 1 for found in supervisor.figures().values()))
    supervisor.close()
    assert not seen.here
    assert seen.whys == ["it was closed"] * 2
    assert not any(map(is_alive, seen.pids))
    assert supervisor.why_unready == "worker 0: it was closed; worker 1: it was closed"


def test_one_that_is_killed_is_replaced_after_its_tasks_were_told() -> None:
    told, ends, seen = Told(), [], Seen()
    supervisor = Supervisor(settings(), 2, patience=QUICK, worker=STUB)
    supervisor.start(told, seen)
    gone = seen.went
    seen.went = lambda name, why: (ends.append([*told.of["a"]][-1]), gone(name, why))  # type: ignore[method-assign]
    first = seen.here["worker 0"]
    first.submit(Task("a", "stub", LONG, 1))
    told.first("a", Progressed)
    first.kill()
    wait_for(lambda: len(seen.pids) == 3 and "worker 0" in seen.here)
    assert isinstance(ends[0], Failed)
    assert ends[0].reason == "worker"
    assert seen.whys == ["signal SIGKILL"]
    with pytest.raises(GenerationError, match="closed"):
        first.submit(Task("b", "stub", {}, 1))
    seen.here["worker 0"].submit(Task("b", "stub", {}, 1))
    assert isinstance(told.end("b"), Made)
    found = supervisor.figures()
    assert [found[name]["replaced"] for name in ("worker 0", "worker 1")] == [1, 0]
    supervisor.close()
    assert not any(map(is_alive, seen.pids))


def test_of_tasks_under_kills_each_has_one_end() -> None:
    told, seen, draw, ids = Told(), Seen(), random.Random(0), []
    supervisor = Supervisor(settings(), 2, patience=QUICK, worker=STUB)
    supervisor.start(told, seen)
    for kill in range(10):
        for number in range(6):
            worker = draw.choice([*seen.here.values()] or [None])  # type: ignore[list-item]
            if worker is None:
                break
            try:
                worker.submit(Task(f"{kill} {number}", "stub", {"steps": draw.choice((1, 5, 100_000))}, 1))
                ids.append(f"{kill} {number}")
            except GenerationError:  # it has just gone, and nothing is told
                continue
        time.sleep(draw.random() * 0.01)
        for worker in [*seen.here.values()][: draw.choice((1, 2))]:
            worker.kill()
        wait_for(lambda: seen.here)
    supervisor.close()
    assert len(ids) > 30
    assert [id for id in ids if len(told.ends(id)) != 1] == []
    assert not any(map(is_alive, seen.pids))


def test_one_that_dies_again_and_again_is_given_up_and_said_to_be() -> None:
    seen = Seen(lambda worker: worker.kill())
    patience = Patience(ping=0.02, first=0.01, longest=0.02, soon=60.0, deaths=3)
    supervisor = Supervisor(settings(), patience=patience, worker=STUB)
    supervisor.start(Told(), seen)
    wait_for(lambda: "given up" in supervisor.why_unready, 60)
    assert "worker 0: given up after 3 ends soon after the start" in supervisor.why_unready
    assert "SIGKILL" in supervisor.why_unready
    assert len(seen.pids) == 3
    supervisor.close()
    assert seen.given_up == [supervisor.why_unready]


def test_one_that_hangs_idle_is_killed_and_replaced() -> None:
    seen = Seen()
    patience = Patience(ping=0.05, silence=0.5, busy=600.0, first=0.01, soon=0.0)
    supervisor = Supervisor(settings(), patience=patience, worker=STUB)
    supervisor.start(Told(), seen)
    os.kill(seen.pids[0], signal.SIGSTOP)
    wait_for(lambda: len(seen.pids) > 1 and seen.here)
    assert "did not answer" in seen.whys[0]
    assert not is_alive(seen.pids[0])
    supervisor.close()
    assert not any(map(is_alive, seen.pids))


def test_one_that_is_busy_is_waited_for() -> None:
    told, seen = Told(), Seen()
    patience = Patience(ping=0.02, silence=0.1, busy=600.0)
    supervisor = Supervisor(settings(), patience=patience, worker=STUB)
    supervisor.start(told, seen)
    worker = seen.here["worker 0"]
    worker.submit(Task("a", "stub", {"steps": 500}, 1))
    told.first("a", Progressed)
    os.kill(seen.pids[0], signal.SIGSTOP)
    wait_for(lambda: state_of(seen.pids[0]) == "T")
    wait_for(lambda: worker.silence > 0.5)
    os.kill(seen.pids[0], signal.SIGCONT)
    assert isinstance(told.end("a"), Made)
    supervisor.close()
    assert len(seen.pids) == 1


def test_a_model_that_cannot_be_loaded_is_said_and_nothing_is_left() -> None:
    seen = Seen()
    supervisor = Supervisor(settings("refused"), 2, patience=QUICK, worker=STUB)
    with pytest.raises(ModelError, match="model 'refused'"):
        supervisor.start(Told(), seen)
    assert not seen.here
    with pytest.raises(InputError, match="0 workers"):
        Supervisor(settings(), 0)


def test_where_one_starts_it_stays_and_the_other_is_tried_again_and_given_up() -> None:
    told, seen = Told(), Seen()
    patience = Patience(ping=0.02, first=0.01, longest=0.02, soon=60.0, deaths=3)
    supervisor = Supervisor(settings("refused second"), 2, patience=patience, worker=STUB)
    assert supervisor.start(told, seen) == [card("refused second")]
    wait_for(lambda: seen.given_up, 60)
    assert "worker 1: given up after 3 ends soon after the start, at last: model 'refused second'" in seen.given_up[0]
    assert [*seen.here] == ["worker 0"]
    assert not supervisor.why_unready
    seen.here["worker 0"].submit(Task("a", "refused second", {}, 1))
    assert isinstance(told.end("a"), Made)
    supervisor.close()
    assert len(seen.pids) == len(seen.given_up) == 1


def test_closing_does_not_wait_for_models_that_are_loaded() -> None:
    supervisor, raised = Supervisor(settings("slow"), 2, patience=QUICK, worker=STUB), []

    def start() -> None:
        with pytest.raises(GenerationError) as caught:
            supervisor.start(Told(), Seen())
        raised.append(caught.value)

    starting = threading.Thread(target=start)
    starting.start()
    time.sleep(0.2)
    supervisor.close()
    starting.join(60)
    assert raised


def test_cores_and_slots_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    shared = [share_settings(settings(), slot, 3) for slot in range(3)]
    assert [(one.slot, one.threads) for one in shared] == [(0, 2), (1, 2), (2, 2)]
    assert share_settings(settings(), 0, 1) == settings()
