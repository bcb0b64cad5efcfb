"""How many bytes of weights a shelf says there are, and what an engine plans with."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from evocache.errors import BudgetError
from evocache.serve.engine import Shelf
from evocache.serve.engine.budget import Budget, Memory
from evocache.serve.engine.prepared import Prepared
from evocache.serve.engine.weights.unit import Unit
from tests.serve.engine.weights.stand_ins import Coded, come, model


def test_what_is_added_to_a_pipeline_that_is_aside_brings_it_back(shelf: Shelf) -> None:
    pipe, other = model(100), model(100)
    shelf.add({"pipe": pipe, "other": other})
    before = pipe.own.weight.clone()
    assert shelf.make_room(100 * 1024, ["other"])
    pipe.own.add_module("lora", nn.Linear(256, 1, bias=False))
    shelf.add({"pipe": pipe, "other": other})
    assert shelf.has("pipe")
    assert (shelf.bytes_of(["pipe"]), shelf.held) == (101 * 1024, 201 * 1024)
    assert shelf.make_room(100 * 1024, ["other"])
    come(shelf, "pipe")
    assert torch.equal(pipe.own.weight, before)


def test_what_became_smaller_is_looked_at_anew(shelf: Shelf) -> None:
    pipe = model(100)
    shelf.add({"pipe": pipe})
    pipe.own.to(torch.bfloat16)
    shelf.add({"pipe": pipe})
    assert shelf.held == shelf.own_bytes_of("pipe") == 50 * 1024


def test_weights_on_their_way_count_with_what_they_pass_through(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    may, whole = threading.Event(), Unit.bring_back

    def slowly(unit: Unit) -> None:
        assert may.wait(60)
        whole(unit)

    monkeypatch.setattr(Unit, "bring_back", slowly)
    monkeypatch.setattr("evocache.serve.engine.weights.slice.SLICE", 20 * 1024)
    shelf.add({"pipe": model(100)})
    shelf.make_room(0, ())
    assert shelf.held == 0
    assert shelf.coming_bytes_of("pipe") == 140 * 1024
    shelf.bring("pipe", lambda: None)
    assert shelf.held == 140 * 1024
    may.set()
    while not shelf.has("pipe"):
        time.sleep(0.01)
    assert shelf.held == 100 * 1024


def test_a_tensor_without_numbers_changes_nothing(shelf: Shelf) -> None:
    pipes = {"one": model(100), "two": model(100)}
    for pipe in pipes.values():
        pipe.own.register_buffer("empty", torch.empty(0))
    shelf.add(pipes)
    assert shelf.make_room(100 * 1024, ["two"])
    shelf.add(pipes)
    assert not shelf.has("one")
    assert (shelf.bytes_of(["one"]), shelf.held) == (100 * 1024, 100 * 1024)


def test_weights_that_cannot_leave_count_beside_those_of_others(shelf: Shelf) -> None:
    stays = model(100)
    stays.own.weight = Coded(stays.own.weight.data)
    shelf.add({"stays": stays, "small": model(50), "large": model(70)})
    kilobyte = 1024
    assert shelf.least_with(["small"]) == 150 * kilobyte
    assert shelf.least_with(["stays"]) == 100 * kilobyte
    assert shelf.least == 170 * kilobyte


def room_beside(pipes: Any, name: str, most: int, shelf: Shelf | None) -> tuple[int | None, int]:
    """The bytes that jobs of a pipeline are given beside weights, and those that its plan may take with its own."""
    seen: list[tuple[int | None, int]] = []
    means = SimpleNamespace(settle=lambda pipe, choose, left, weights, known: seen.append((left, weights)))
    budget = Budget(pipes, Prepared(pipes, {}), Memory(most, shelf), lambda pipe, loras: pipe)
    budget.settle(SimpleNamespace(request=SimpleNamespace(model=name), means=means))  # type: ignore[arg-type]
    ((left, weights),) = seen
    return left, (left or 0) + weights


def test_a_plan_has_the_room_beside_weights_that_stay_and_its_pipelines_own(shelf: Shelf) -> None:
    common, kilobyte = nn.Linear(256, 50, bias=False), 1024
    sharing = {"one": model(40, common), "two": model(40, common)}
    assert room_beside(sharing, "one", 200 * kilobyte, None) == (70 * kilobyte, 160 * kilobyte)
    assert room_beside(sharing, "one", 200 * kilobyte, shelf) == (70 * kilobyte, 160 * kilobyte)
    shelf.make_room(0, ())
    assert room_beside(sharing, "one", 200 * kilobyte, shelf) == (70 * kilobyte, 160 * kilobyte)


def test_a_plan_does_not_have_the_room_of_weights_that_stay(shelf: Shelf) -> None:
    stays, kilobyte = model(100), 1024
    stays.own.weight = Coded(stays.own.weight.data)
    pipes = {"stays": stays, "other": model(50)}
    assert room_beside(pipes, "other", 200 * kilobyte, shelf) == (50 * kilobyte, 100 * kilobyte)


def test_a_pipeline_that_has_outgrown_the_memory_is_refused_and_not_waited_for(shelf: Shelf) -> None:
    pipe = model(100)
    pipes = {"pipe": pipe, "other": model(100)}
    budget = Budget(pipes, Prepared(pipes, {}), Memory(150 * 1024, shelf), lambda pipe, loras: pipe)
    pipe.own.add_module("more", nn.Linear(256, 100, bias=False))
    budget.weigh()
    shelf.make_room(0, ())
    refused: list[Exception] = []
    job: Any = SimpleNamespace(request=SimpleNamespace(model="pipe"), means=SimpleNamespace(refuse=refused.append))
    assert budget.has_room(job, [])  # it begins, and is told
    assert isinstance(refused[0], BudgetError)
