"""How jobs end when the engine closes or breaks down, and when their pipelines will not end."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch

from evocache.errors import GenerationError
from evocache.serve.engine import computing
from evocache.serve.engine.engine import Engine
from evocache.serve.engine.turns.batches import Batches
from tests.serve.calls import asked, engine_threads


def stubborn(pipe: Any, times: int, returns: bool) -> Any:
    """A pipeline that catches all that is raised in its call so many times, and begins anew, or returns."""

    class Stubborn(type(pipe)):  # type: ignore[misc]
        def __call__(self, **kwargs: Any) -> Any:
            for _ in range(times):
                try:
                    return super().__call__(**kwargs)
                except BaseException:
                    if returns:
                        return "what is left"
            return super().__call__(**kwargs)

    return Stubborn(**pipe.components)


@pytest.mark.parametrize("returns", [True, False])
def test_a_pipeline_that_catches_its_cancellation_is_told_again(pipe: Any, returns: bool) -> None:
    reached = threading.Event()

    def callback(step: int, timestep: Any, latents: torch.Tensor) -> None:
        reached.set()

    with Engine({"stubborn": stubborn(pipe, 3, returns), "pixart": pipe}) as engine:
        job = engine.submit(**asked(pipe, steps=200), callback=callback)
        other = engine.submit(model="pixart", **asked(pipe))
        assert reached.wait(60)
        job.cancel()
        with pytest.raises(GenerationError, match="cancelled"):
            job.result(60)
        assert job.state == "cancelled"
        assert [note for note in job.notes if "caught its cancellation" in note] or not returns
        assert other.result(60)
        assert (engine.figures.cancelled, engine.figures.done) == (1, 1)
    assert not engine_threads()


def test_a_fault_of_the_engine_ends_what_runs_and_what_is_queued(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    with Engine({"pixart": pipe}, open=2) as engine:
        reached = threading.Event()

        def callback(step: int, timestep: Any, latents: torch.Tensor) -> None:
            reached.set()

        jobs = [engine.submit(**asked(pipe, steps=100), callback=callback) for _ in range(5)]
        assert reached.wait(60)
        monkeypatch.setattr(engine._loop.conductor, "take_turn", lambda: 1 / 0)
        for job in jobs:
            with pytest.raises(ZeroDivisionError):
                job.result(60)
        assert engine.figures.failed == 5
        with pytest.raises(GenerationError, match="closed"):
            engine.submit(**asked(pipe))
    assert not engine_threads()


def test_closing_ends_what_stopped_on_its_way(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computing, "PATIENCE", 0.0)
    monkeypatch.setattr(Batches, "company", lambda self, first, others, most: [first])
    engine = Engine({"pixart": pipe})
    turn, stopped = engine._loop.conductor._computing.take_turn, threading.Event()

    def noting(chosen: Any, others: Any) -> None:
        turn(chosen, others)
        if engine.figures.paused > 3:
            stopped.set()

    monkeypatch.setattr(engine._loop.conductor._computing, "take_turn", noting)
    jobs = [engine.submit(**asked(pipe, seed=seed, steps=20 + 80 * seed)) for seed in range(3)]
    assert stopped.wait(60)
    engine.close()
    assert {job.state for job in jobs} <= {"cancelled", "done"}
    assert jobs[-1].state == "cancelled"
    assert not engine_threads()


def test_who_asked_for_it_is_called_at_the_end_and_knows_how_far_the_job_came(engine: Engine, pipe: Any) -> None:
    called: list[tuple[str, str, int]] = []

    def note(name: str, job: Any) -> None:
        called.append((name, job.state, job.progress.step))
        raise RuntimeError("whoever is called may fail")

    def callback(step: int, timestep: Any, latents: torch.Tensor) -> None:
        if step == 2:
            raise ValueError("no more")

    done = engine.submit(**asked(pipe))
    done.when_over(lambda: note("done", done))
    done.result(60)
    failed = engine.submit(**asked(pipe), callback=callback)
    failed.when_over(lambda: note("failed", failed))
    with pytest.raises(ValueError, match="no more"):
        failed.result(60)
    early = engine.submit(**{**asked(pipe), "height": "tall"})
    early.when_over(lambda: note("early", early))
    with pytest.raises(TypeError):
        early.result(60)
    engine.close()
    assert called == [("done", "done", 4), ("failed", "failed", 3), ("early", "failed", 0)]
    done.when_over(lambda: note("late", done))
    assert called[-1] == ("late", "done", 4)
