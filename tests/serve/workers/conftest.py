"""Tiny pipelines whose plain calls work, as models of a worker, and one worker for the tests of a file."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evocache import discover
from evocache.policies import parse
from evocache.runtime.call_context import context_of
from evocache.schedule.front import Point
from evocache.schedule.front.front_file import FORMAT, as_json
from evocache.serve.workers.local import LocalWorker
from evocache.serve.workers.worker import WorkerSettings
from tests.serve.calls import engine_threads
from tests.serve.workers.told import Told
from tests.tiny import FAMILIES

USUAL = {"height": 32, "width": 32, "num_inference_steps": 4}
FAMILY = {"still": "pixart", "unet": "sd15", "film": "animatediff"}
OWN: dict[str, dict[str, Any]] = {
    "still": {"use_resolution_binning": False, "clean_caption": False},
    "unet": {},
    "film": {"num_frames": 3},
}


def defaulted(pipe: Any, **defaults: Any) -> Any:
    """The pipeline, whose call has these defaults, as its signature says."""
    plain = type(pipe)
    signature = inspect.signature(plain.__call__)
    parameters = [p.replace(default=defaults.get(p.name, p.default)) for p in signature.parameters.values()]

    @functools.wraps(plain.__call__)
    def call(self: Any, *given: Any, **named: Any) -> Any:
        return plain.__call__(self, *given, **{**defaults, **named})

    call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    pipe.__class__ = type(plain.__name__, (plain,), {"__call__": call, "__module__": plain.__module__})
    return pipe


def build(name: str) -> Any:
    """A pipeline by the name of its model."""
    return defaulted(FAMILIES[FAMILY[name]].build(), **USUAL, **OWN[name])


def write_front(pipe: Any, folder: Path, **elsewhere: Any) -> Path:
    """A run's folder with a front of four points, of which three are worth offering."""
    tree, context = discover(pipe).tree, context_of(pipe).but(num_inference_steps=4, **elsewhere)
    points = [
        Point(parse("fora:4").schedule(tree, 4), {"latency": 1.0}, {"speedup": 3.0, "quality": 20.0}, context=context),
        Point(parse("fora:2").schedule(tree, 4), {"latency": 2.0}, {"speedup": 1.8, "quality": 30.0}, context=context),
        Point(parse("none").schedule(tree, 4), {"latency": 4.0}, {"speedup": 1.0, "quality": 99.0}, context=context),
        Point(
            parse("none").schedule(tree, 2),
            {"latency": 2.0},
            {"speedup": 2.0, "quality": 15.0},
            steps=2,
            context=context.but(num_inference_steps=2),
        ),
    ]
    folder.mkdir(exist_ok=True)
    found = [as_json(str(number), point) for number, point in enumerate(points)]
    (folder / "front.json").write_text(json.dumps({"format": FORMAT, "version": 2, "points": found}))
    return folder


@pytest.fixture(scope="module")
def pipelines() -> dict[str, Any]:
    """Pipelines by the names of their models, to be called plainly."""
    return {name: build(name) for name in FAMILY}


@pytest.fixture(scope="module")
def front(pipelines: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_front(pipelines["still"], tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def told() -> Told:
    return Told()


@pytest.fixture(scope="module")
def loading() -> Iterator[None]:
    """Models are the tiny pipelines, by their names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evocache.serve.workers.models.loaded.load_pipeline", lambda name, **_: build(name))
        yield


@pytest.fixture(scope="module")
def worker(loading: None, told: Told, front: Path) -> Iterator[LocalWorker]:
    """A worker of all of them, of which no thread is left."""
    made = LocalWorker(WorkerSettings({name: name for name in FAMILY}, {"still": str(front)}, open=4))
    made.cards = {card.name: card for card in made.start(told)}  # type: ignore[attr-defined]
    yield made
    made.close()
    assert not engine_threads()
