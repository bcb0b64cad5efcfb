"""Whose weights leave when others need the memory, and how engines live with that."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import torch
from torch import nn

from evocache.errors import BudgetError, DeviceError, GenerationError
from evocache.runtime.estimate.residency import weights as weights_of
from evocache.serve.engine import Engine, Shelf
from evocache.serve.engine.weights.unit import Unit
from tests.serve.calls import PIXART, difference, engine_threads
from tests.serve.engine.weights.stand_ins import come, model
from tests.tiny import FAMILIES


def test_those_leave_that_save_the_least_seconds_per_byte(shelf: Shelf) -> None:
    shelf.add({"often": model(100), "seldom": model(100), "never": model(100)})
    for name in ("often", "seldom", "often", "often"):
        shelf.use(name)
    kilobyte = 1024
    assert shelf.held == 300 * kilobyte
    assert shelf.make_room(200 * kilobyte, ())
    assert [shelf.has(name) for name in ("often", "seldom", "never")] == [True, True, False]
    assert shelf.make_room(100 * kilobyte, ())
    assert [shelf.has(name) for name in ("often", "seldom", "never")] == [True, False, False]
    assert not shelf.make_room(50 * kilobyte, ["often"])
    assert shelf.has("often")
    come(shelf, "seldom")
    assert (shelf.put, shelf.brought, shelf.held) == (2, 1, 200 * kilobyte)
    seconds = shelf.use("seldom")
    assert seconds is not None
    assert seconds > 0
    assert shelf.use("seldom") is None


def test_what_was_asked_for_long_ago_leaves_in_the_end(shelf: Shelf) -> None:
    shelf.add({"old": model(100), "a": model(100), "b": model(100)})
    for _ in range(3):
        shelf.use("old")
    shelf.make_room(100 * 1024, ())
    for _ in range(20):
        for name in ("a", "b"):
            if not shelf.has(name):
                shelf.make_room(100 * 1024, ())
                come(shelf, name)
            shelf.use(name)
        if not shelf.has("old"):
            return
    raise AssertionError("it stays for ever")


def test_pipelines_that_share_weights_go_together(shelf: Shelf) -> None:
    encoder = nn.Linear(256, 10, bias=False)
    shelf.add({"one": model(20, encoder), "two": model(30, encoder), "other": model(40)})
    assert shelf.bytes_of(["one"]) == shelf.bytes_of(["one", "two"]) == 60 * 1024
    assert shelf.least == 60 * 1024
    shelf.make_room(70 * 1024, ["other"])
    assert not shelf.has("one")
    assert not shelf.has("two")
    come(shelf, "two")
    assert shelf.has("one")


def test_components_that_were_exchanged_are_looked_at_anew(shelf: Shelf) -> None:
    pipe = model(10)
    shelf.add({"pipe": pipe})
    shelf.make_room(0, ())
    old = pipe.own
    pipe.own = pipe.components["own"] = nn.Linear(256, 20, bias=False)
    shelf.add({"pipe": pipe})
    assert shelf.has("pipe")
    assert shelf.held == 20 * 1024
    assert old.weight.sum().isfinite()  # it is its user's, as it was


def test_after_its_end_all_are_here(shelf: Shelf) -> None:
    pipe = model(10)
    before = pipe.own.weight.clone()
    shelf.add({"pipe": pipe})
    shelf.make_room(0, ())
    assert pipe.own.weight.untyped_storage().nbytes() == 0
    shelf.close()
    assert torch.equal(pipe.own.weight, before)


@pytest.fixture(scope="module")
def pipes() -> Any:
    """Pipelines of two kinds."""
    made = {"pixart": PIXART.build(), "unet": FAMILIES["sd15"].build()}
    for pipe in made.values():
        pipe.set_progress_bar_config(disable=True)
    return made


def bytes_of(pipe: Any) -> int:
    """Bytes of its weights."""
    return sum(weights_of(pipe).values())


def ask(pipes: Any, name: str, seed: int) -> dict[str, Any]:
    """Arguments of a call."""
    from tests.tiny.arguments import arguments

    return {
        "model": name,
        **arguments(FAMILIES["sd15" if name == "unet" else "pixart"], pipes[name], seed=seed, steps=4),
    }


@pytest.mark.parametrize("what", ["none", "fora:2"])
def test_models_that_do_not_fit_together_give_what_each_gives_alone(pipes: Any, shelf: Shelf, what: str) -> None:
    names = ["pixart", "unet", "unet", "pixart", "unet", "pixart"]
    with Engine(pipes) as engine:
        alone = [engine.submit(what=what, **ask(pipes, name, seed)).result(300) for seed, name in enumerate(names)]
    most = sum(map(bytes_of, pipes.values())) - 1
    with pytest.raises(BudgetError):
        Engine(pipes, memory=most)
    with Engine(pipes, memory=most, shelf=shelf) as engine:
        jobs = [engine.submit(what=what, **ask(pipes, name, seed)) for seed, name in enumerate(names)]
        for expected, job in zip(alone, jobs, strict=True):
            assert difference(expected, job.result(300)) < 1e-5
        assert shelf.put >= 1
        assert engine.figures.failed == 0
    assert shelf.brought >= 1
    assert any("had been put aside" in note for job in jobs for note in job.notes)


@pytest.fixture
def away(pipes: Any, shelf: Shelf) -> Shelf:
    """A shelf to which the second pipeline has gone."""
    shelf.add(pipes)
    shelf.make_room(bytes_of(pipes["pixart"]), ["pixart"])
    assert not shelf.has("unet")
    return shelf


def test_who_needs_no_weights_does_not_wait_for_those_of_others(
    pipes: Any, away: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    may, comes, whole = threading.Event(), threading.Event(), Unit.bring_back

    def slowly(unit: Unit) -> None:
        comes.set()
        assert may.wait(300)
        whole(unit)

    monkeypatch.setattr(Unit, "bring_back", slowly)
    with Engine(pipes, shelf=away) as engine:
        waits = engine.submit(**ask(pipes, "unet", 0))
        assert comes.wait(60)
        given_up = engine.submit(**ask(pipes, "unet", 1))
        engine.submit(**ask(pipes, "pixart", 0)).result(300)  # nothing ran when it came
        assert waits.state == "queued"
        given_up.cancel()
        with pytest.raises(GenerationError, match="cancelled"):
            given_up.result(60)
        may.set()
        waits.result(300)


def test_weights_that_cannot_come_back_fail_who_needs_them_and_nobody_else(
    pipes: Any, away: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(unit: Unit) -> None:
        raise DeviceError("a damaged file", "a whole one", "check the disk")

    with Engine(pipes, shelf=away) as engine:
        monkeypatch.setattr(Unit, "bring_back", damaged)
        needs, other = engine.submit(**ask(pipes, "unet", 0)), engine.submit(**ask(pipes, "pixart", 0))
        with pytest.raises(DeviceError, match="damaged"):
            needs.result(300)
        other.result(300)
        monkeypatch.undo()
        engine.submit(**ask(pipes, "unet", 0)).result(300)


def test_who_needs_other_weights_is_not_overtaken_for_ever(pipes: Any, shelf: Shelf) -> None:
    """The weights of a model that always has somebody stay until others have been overtaken often enough."""
    most = sum(map(bytes_of, pipes.values())) - 1
    with Engine(pipes, memory=most, open=2, shelf=shelf) as engine:
        running = [engine.submit(**ask(pipes, "pixart", seed)) for seed in range(2)]
        other = engine.submit(**ask(pipes, "unet", 0))
        later = [engine.submit(**ask(pipes, "pixart", 2 + seed)) for seed in range(24)]
        other.result(300)
        assert any(job.state == "queued" for job in later)
        for job in (*running, *later):
            job.result(300)


def test_an_engine_ends_while_weights_come(pipes: Any, away: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    may, comes, whole = threading.Event(), threading.Event(), Unit.bring_back

    def slowly(unit: Unit) -> None:
        comes.set()
        assert may.wait(300)
        whole(unit)

    monkeypatch.setattr(Unit, "bring_back", slowly)
    with Engine(pipes, shelf=away) as engine:
        waits = engine.submit(**ask(pipes, "unet", 0))
        assert comes.wait(60)
    assert waits.state == "cancelled"
    may.set()


def test_jobs_of_an_engine_that_was_let_go_wait_for_their_weights(
    pipes: Any, away: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    may, comes, whole = threading.Event(), threading.Event(), Unit.bring_back

    def slowly(unit: Unit) -> None:
        comes.set()
        assert may.wait(300)
        whole(unit)

    monkeypatch.setattr(Unit, "bring_back", slowly)
    job = Engine(pipes, shelf=away).submit(**ask(pipes, "unet", 0))  # nobody else has the engine
    assert comes.wait(60)
    time.sleep(0.5)  # its thread has time to end, if it would
    may.set()
    job.result(60)
    for thread in engine_threads():
        if thread.name == "evocache engine":
            thread.join(60)
