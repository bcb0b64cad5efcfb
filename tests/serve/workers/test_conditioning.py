"""A worker holds what encoders return, unless it is told not to."""

from __future__ import annotations

from typing import Any

import prometheus_client.core
import pytest

from evocache.serve.observe.gauges import families
from evocache.serve.workers.local import LocalWorker
from evocache.serve.workers.task import Task
from evocache.serve.workers.worker import CONDITIONING, WorkerSettings
from tests.serve.workers.told import Told, plainly
from tests.tiny import KNOWN_WARNINGS

pytestmark = [pytest.mark.filterwarnings(f"ignore:{pattern}") for pattern in KNOWN_WARNINGS]

FOX = {"prompt": "a red fox"}
COUNTS = "conditioning_hits", "conditioning_misses"
OWNERS = [("ann", ""), ("ann", ""), ("bob", ""), ("ann", ""), ("ann", "x"), ("x", "ann")]


def test_what_a_user_asked_before_is_held_for_that_user(loading: None, pipelines: dict[str, Any]) -> None:
    found = {}
    for conditioning in (None, "0"):
        told, worker = Told(), LocalWorker(WorkerSettings({"still": "still"}, {}, conditioning=conditioning))
        try:
            worker.start(told)
            before = worker.figures()
            for seed, (user, owner) in enumerate(OWNERS):
                worker.submit(Task(f"{seed}", "still", FOX, seed, user=user, owner=owner))
                assert told.end(f"{seed}").picture.pixels == plainly(pipelines["still"], seed, **FOX)
            now = worker.figures()
        finally:
            worker.close()
        found[conditioning] = [now[name] - before[name] for name in COUNTS]
        gauges = {each.name: each.samples for each in families(prometheus_client.core, "", {"engines": [now]})}
        assert gauges["conditioning_bytes"][0].value == now["conditioning_bytes"]
        assert gauges["conditioning_saved_seconds"][0].value == now["conditioning_seconds"]
        events = {each.labels["event"]: each.value for each in gauges["engine_events"]}
        assert [events[name] for name in COUNTS] == [now[name] for name in COUNTS]
        assert bool(now["conditioning_bytes"]) is (conditioning is None)
    assert found == {None: [4, 8], "0": [0, 0]}  # of two calls each, with guidance


def test_it_holds_a_part_of_a_small_memory() -> None:
    def held(**settings: Any) -> int:
        return WorkerSettings({}, {}, **settings).conditioning_bytes

    assert held() == held(memory="8GB") == CONDITIONING
    assert held(memory="32MB") == 1_000_000
    assert held(memory="32MB", conditioning="3MB") == 3_000_000
    assert held(conditioning="0") == 0
