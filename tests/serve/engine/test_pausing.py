"""Encoders and decoders that pause on their way while others wait."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from evocache import apply
from evocache.errors import GenerationError
from evocache.runtime.joint.lane import Lane
from evocache.serve.engine import computing
from evocache.serve.engine.conductor import Conductor
from evocache.serve.engine.engine import Engine
from evocache.serve.engine.running import Running
from evocache.serve.engine.turns.batches import Batches
from evocache.serve.engine.turns.pausing import Pausing
from tests.serve.calls import engine_threads, tensors
from tests.tiny import FAMILIES
from tests.tiny.arguments import arguments


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn is over with each operation; nothing is computed together, whose last bits would differ."""
    monkeypatch.setattr(computing, "PATIENCE", 0.0)
    monkeypatch.setattr(Batches, "company", lambda self, first, others, most: [first])


@pytest.fixture
def paused_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first goes on until it stops on its way; then the other does, as long as it can."""
    by_turn = Conductor._by_turn

    def sorted_turns(conductor: Conductor, now: float) -> list[Running]:
        return sorted(by_turn(conductor, now), key=lambda one: (one.paused, -one.number if one.paused else one.number))

    monkeypatch.setattr(Conductor, "_by_turn", sorted_turns)


@pytest.mark.parametrize("name", ["pixart", "sd15", "wan", "cogvideox", "animatediff"])
def test_what_paused_is_the_plain_call_to_the_bit(name: str) -> None:
    tiny, pipe = FAMILIES[name], FAMILIES[name].build()
    pipe.set_progress_bar_config(disable=True)
    given = [{**arguments(tiny, pipe, seed=seed, steps=3 + seed), "output_type": "np"} for seed in range(3)]
    with apply(pipe, "fora:2"):
        expected = [
            tensors(pipe(**arguments(tiny, pipe, seed=s, steps=3 + s) | {"output_type": "np"})) for s in range(3)
        ]
    with Engine({"m": pipe}) as engine:
        jobs = [engine.submit(what="fora:2", **one) for one in given]
        found = [tensors(job.result(100)) for job in jobs]
        assert engine.figures.paused > 50
    for one, other in zip(expected, found, strict=True):
        assert all(left.equal(right) for left, right in zip(one, other, strict=True))
    assert not engine_threads()


def test_what_paused_is_cancelled_and_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny, pipe = FAMILIES["pixart"], FAMILIES["pixart"].build()
    pipe.set_progress_bar_config(disable=True)
    expected = tensors(pipe(**arguments(tiny, pipe, seed=1, steps=9)))
    with Engine({"m": pipe}) as engine:
        meet = engine._loop.conductor._computing._pausing

        def cancelling(one: Any, call: Any, limit: float) -> Any:
            if call.lane.stage == "decode" and one.job is first:
                first.cancel()  # taken up at the first pause
            return meet(one, call, limit)

        monkeypatch.setattr(engine._loop.conductor._computing, "_pausing", cancelling)
        first = engine.submit(**arguments(tiny, pipe, seed=0, steps=3))
        other = engine.submit(**arguments(tiny, pipe, seed=1, steps=9))
        with pytest.raises(GenerationError, match="cancelled"):
            first.result(100)
        assert first.progress.seconds > 0
        assert all(one.equal(two) for one, two in zip(expected, tensors(other.result(100)), strict=True))


def test_it_pauses_when_its_time_is_over_and_tells_of_each_turn() -> None:
    layer, x = torch.nn.Linear(4, 4), torch.ones(2, 4)
    paused, turns = [], []

    def pause(seconds: float) -> bool:
        paused.append(seconds)
        return True

    with Pausing(0.0, pause, turns.append):
        layer(x).relu()
    assert len(paused) >= 2
    assert len(turns) == 1
    paused.clear()
    with Pausing(1e9, pause, turns.append):
        layer(x).relu()
    assert not paused
    layer(x)  # and nothing is left
    with pytest.raises(ZeroDivisionError), Pausing(0.0, lambda seconds: bool(seconds / 0), turns.append):
        layer(x)


@pytest.mark.usefixtures("paused_last")
@pytest.mark.parametrize("changes", [False, True])
def test_a_component_in_which_a_call_pauses_is_entered_by_no_other(changes: bool) -> None:
    """Its caches are of the call: the others wait for it, or it begins anew where one has the engine to itself."""
    tiny, pipe = FAMILIES["wan"], FAMILIES["wan"].build()
    pipe.set_progress_bar_config(disable=True)

    def given(seed: int) -> dict[str, Any]:
        return {**arguments(tiny, pipe, seed=seed, steps=2 + 3 * seed), "output_type": "np"}

    def end(own: Any, step: int, timestep: Any, kwargs: Any) -> dict[str, Any]:
        if changes and step == 4:
            own.vae.mine = 1
        return {}

    expected = [tensors(pipe(**given(seed))) for seed in range(2)]
    with Engine({"m": pipe}) as engine:
        with engine._loop.change:
            jobs = [
                engine.submit(user="a", **given(0)),
                engine.submit(user="b", callback_on_step_end=end, **given(1)),
            ]
        found = [tensors(job.result(100)) for job in jobs]
        assert engine.figures.paused
        assert engine.figures.anew == changes
    assert bool(jobs[1].notes) == changes
    for one, other in zip(expected, found, strict=True):
        assert all(left.equal(right) for left, right in zip(one, other, strict=True))


@pytest.mark.usefixtures("paused_last")
def test_memory_that_a_call_holds_that_has_stopped_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """What memory is short for beside it is computed when it has ended."""
    tiny, pipe = FAMILIES["pixart"], FAMILIES["pixart"].build()
    pipe.set_progress_bar_config(disable=True)
    given = [arguments(tiny, pipe, seed=seed, steps=2 + 5 * seed) for seed in range(2)]
    expected = tensors(pipe(**arguments(tiny, pipe, seed=1, steps=7)))
    compute, engine, refused = Lane.compute, Engine({"m": pipe}), []

    def short(lane: Lane) -> Any:
        running = engine._loop.conductor._running
        if lane.stage == "denoise" and any(one.paused and one.component is pipe.vae for one in running):
            refused.append(lane)
            raise torch.OutOfMemoryError("too little")
        return compute(lane)

    monkeypatch.setattr(Lane, "compute", short)
    with engine:
        with engine._loop.change:
            jobs = [engine.submit(user=str(seed), **one) for seed, one in enumerate(given)]
        found = [tensors(job.result(100)) for job in jobs][1]
        assert not engine.figures.tightened
    assert refused
    assert any("had stopped" in note for job in jobs for note in job.notes)
    assert all(one.equal(two) for one, two in zip(expected, found, strict=True))


@pytest.mark.parametrize("where", ["part", "method"])
def test_what_is_compiled_is_computed_as_a_whole(where: str) -> None:
    """A mode of torch would be traced, and a graph that has to be whole refused."""
    tiny, pipe = FAMILIES["pixart"], FAMILIES["pixart"].build()
    pipe.set_progress_bar_config(disable=True)
    compiled: Any = partial(torch.compile, backend="eager", fullgraph=True)
    if where == "part":
        pipe.vae.decoder = compiled(pipe.vae.decoder)
    else:
        pipe.vae.decoder.forward = compiled(pipe.vae.decoder.forward)
    expected = [tensors(pipe(**arguments(tiny, pipe, seed=seed, steps=3))) for seed in range(2)]
    with Engine({"m": pipe}) as engine:
        jobs = [engine.submit(user=str(seed), **arguments(tiny, pipe, seed=seed, steps=3)) for seed in range(2)]
        found = [tensors(job.result(100)) for job in jobs]
    for one, other in zip(expected, found, strict=True):
        assert all(left.equal(right) for left, right in zip(one, other, strict=True))


def test_a_function_that_is_compiled_does_without() -> None:
    function: Any = torch.compile(lambda x: x.relu() + 1, backend="eager", fullgraph=True)
    with Pausing(1e9, bool, lambda seconds: None):
        assert function(torch.ones(2)).equal(torch.full((2,), 2.0))
