"""Several models in a worker whose memory holds one at a time."""

from __future__ import annotations

from typing import Any

import pytest

from evocache.runtime.estimate.residency import weights
from evocache.serve.workers.local import LocalWorker
from evocache.serve.workers.task import Task
from evocache.serve.workers.updates import Made
from evocache.serve.workers.worker import WorkerSettings
from tests.serve.calls import engine_threads
from tests.serve.workers.told import Told, plainly
from tests.tiny import KNOWN_WARNINGS

pytestmark = [pytest.mark.filterwarnings(f"ignore:{pattern}") for pattern in KNOWN_WARNINGS]

FOX = {"prompt": "a red fox"}


def test_what_is_asked_for_in_turn_is_brought_in_turn(loading: None, pipelines: dict[str, Any]) -> None:
    told = Told()
    taken = {name: sum(weights(pipelines[name]).values()) for name in ("still", "unet")}
    most = sum(taken.values()) - 1
    worker = LocalWorker(WorkerSettings({name: name for name in taken}, {}, memory=f"{most}B", open=4))
    cards = {card.name: card for card in worker.start(told)}
    assert {name: card.bytes for name, card in cards.items()} == taken
    before = worker.figures()["brought"]
    tasks = [Task(f"{name} {seed}", name, FOX, seed) for seed in range(2) for name in taken]
    for task in tasks:
        worker.submit(task)
    for task in tasks:
        end = told.end(task.id)
        assert isinstance(end, Made)
        assert end.picture.pixels == plainly(pipelines[task.model], task.seed, **FOX)
    figures = worker.figures()
    assert figures["brought"] > before
    assert figures["put_aside"] >= figures["brought"]
    assert any("had been put aside" in note for task in tasks for note in told.end(task.id).notes)
    worker.close()
    assert not engine_threads()
