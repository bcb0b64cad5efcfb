"""Cancelling, failing and what is drawn; who changes what others use; nothing stays."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPAGPipeline

from evocache import apply, discover
from evocache.errors import BudgetError, GenerationError, PipelineError
from evocache.policies import parse
from evocache.schedule.front import Front, Point
from evocache.serve.engine.engine import Engine
from evocache.serve.engine.turns import batches
from tests.serve.calls import PIXART, asked, difference, engine_threads
from tests.tiny import FAMILIES
from tests.tiny.arguments import arguments


def test_a_cancelled_job_ends_and_others_go_on(pipe: Any, engine: Engine) -> None:
    reached = threading.Event()

    def callback(step: int, timestep: Any, latents: torch.Tensor) -> None:
        reached.set()

    long = engine.submit(**asked(pipe, steps=200), callback=callback)
    short = engine.submit(**asked(pipe, seed=1))
    assert reached.wait(60)
    assert long.state == "running"
    assert 0 < long.progress.step < long.progress.steps == 200
    long.cancel()
    with pytest.raises(GenerationError, match="cancelled"):
        long.result(60)
    assert long.state == "cancelled"
    assert difference(pipe(**asked(pipe, seed=1)), short.result(60)) < 1e-5
    long.cancel()  # which is over: nothing happens
    assert engine.figures.cancelled == 1


def test_a_queued_job_is_cancelled_at_once(pipe: Any) -> None:
    with Engine({"pixart": pipe}, open=1) as engine:
        first = engine.submit(**asked(pipe, steps=100))
        queued = engine.submit(**asked(pipe))
        queued.cancel()
        with pytest.raises(GenerationError, match="cancelled"):
            queued.result(60)
        assert queued.progress.step == 0
        first.cancel()


def test_what_a_pipeline_raises_is_its_own(pipe: Any, engine: Engine) -> None:
    def fails(step: int, timestep: Any, latents: torch.Tensor) -> None:
        raise KeyError("mine")

    good = [engine.submit(**asked(pipe, seed=seed)) for seed in range(2)]
    bad = engine.submit(**asked(pipe), callback=fails)
    wrong = engine.submit(**{**asked(pipe), "guidance_scale": "much"})
    with pytest.raises(KeyError, match="mine"):
        bad.result(60)
    with pytest.raises(TypeError):
        wrong.result(60)
    assert bad.state == wrong.state == "failed"
    for seed, job in enumerate(good):
        assert difference(pipe(**asked(pipe, seed=seed)), job.result(60)) < 1e-5


@pytest.mark.parametrize("stage", ["encode", "denoise", "decode"])
@pytest.mark.parametrize("error", [RuntimeError("odd"), torch.OutOfMemoryError("too little")])
def test_what_fails_together_is_made_anew_alone(
    pipe: Any, monkeypatch: pytest.MonkeyPatch, stage: str, error: Exception
) -> None:
    """A joint call that breaks off after its operations have run: what they took and stored is given back."""
    whole = batches.compute_together

    def broken(lanes: Any, given: Any, proven: Any) -> Any:
        outputs = whole(lanes, given, proven)
        if lanes[0].stage == stage:
            raise error
        return outputs

    expected = []
    with apply(pipe, "fora:2"):
        expected = [pipe(**asked(pipe, seed=seed, steps=5)) for seed in range(3)]
    monkeypatch.setattr(batches, "compute_together", broken)
    with Engine({"pixart": pipe}) as engine:
        jobs = [engine.submit(what="fora:2", **asked(pipe, seed=seed, steps=5)) for seed in range(3)]
        for one, job in zip(expected, jobs, strict=True):
            assert difference(one, job.result(60)) < 1e-5
        assert engine.figures.anew >= 2


def test_a_job_that_waits_for_a_job_is_told(pipe: Any, engine: Engine) -> None:
    def callback(step: int, timestep: Any, latents: torch.Tensor) -> None:
        engine.submit(**asked(pipe)).result(30)

    with pytest.raises(GenerationError, match="within a job"):
        engine.submit(**asked(pipe), callback=callback).result(60)


def test_states_are_drawn_from_as_alone(pipe: Any, engine: Engine) -> None:
    """A pipeline that is given no generator draws from the process's states: each request has its own."""

    def draws(into: list[float]) -> Any:
        def callback(step: int, timestep: Any, latents: torch.Tensor) -> None:
            into.append(float(torch.rand(())) + float(np.random.rand()))

        return callback

    def without(seed: int) -> dict[str, Any]:
        return {**asked(pipe, steps=3 + seed), "generator": None}

    alone: list[list[float]] = [[], []]
    expected = [engine.submit(seed=s, **without(s), callback=draws(alone[s])).result(60) for s in range(2)]
    torch.manual_seed(5)
    own = torch.rand(3)
    torch.manual_seed(5)
    company: list[list[float]] = [[], []]
    jobs = [engine.submit(seed=s, **without(s), callback=draws(company[s])) for s in range(2)]
    found = [job.result(60) for job in jobs]
    assert company == alone
    assert alone[0] != alone[1][:3]
    assert all(difference(one, other) < 1e-5 for one, other in zip(expected, found, strict=True))
    time.sleep(0.05)
    assert torch.rand(3).equal(own)  # the process's own state is as it was


def test_who_changes_what_others_use_has_the_engine_alone() -> None:
    """Perturbed-attention guidance exchanges attention processors for the time of its call."""
    tiny, plain = FAMILIES["sd15"], FAMILIES["sd15"].build()
    pag = StableDiffusionPAGPipeline(**plain.components, requires_safety_checker=False, pag_applied_layers=["mid"])
    pag.set_progress_bar_config(disable=True)
    perturbed = {**arguments(tiny, plain, steps=4), "pag_scale": 3.0}
    expected = [plain(**arguments(tiny, plain, seed=1, steps=6)), pag(**perturbed)]
    processors = list(plain.unet.attn_processors.values())
    with Engine({"plain": plain, "pag": pag}) as engine:
        one = engine.submit(**arguments(tiny, plain, seed=1, steps=6))
        other = engine.submit(model="pag", **{**arguments(tiny, plain, steps=4), "pag_scale": 3.0})
        assert difference(expected[0], one.result(100)) < 1e-5
        assert difference(expected[1], other.result(100)) < 1e-5
    assert "had the engine to itself" in other.notes[0]
    assert not one.notes
    assert list(plain.unet.attn_processors.values()) == processors


def test_more_memory_than_there_is_is_refused_and_what_fits_waits(pipe: Any) -> None:
    with pytest.raises(BudgetError):
        Engine({"pixart": pipe}, memory="1KB")
    weights = sum(
        p.numel() * p.element_size()
        for part in (pipe.transformer, pipe.vae, pipe.text_encoder)
        for p in part.parameters()
    )
    with Engine({"pixart": pipe}, memory=weights + 50_000) as engine, pytest.raises(BudgetError):
        engine.submit(**asked(pipe)).result(60)
    with Engine({"pixart": pipe}, memory="2GB") as engine:
        jobs = [engine.submit(what="fora:2", **asked(pipe, seed=seed)) for seed in range(3)]
        assert all(job.result(60) for job in jobs)
        assert all(job.means.needs.features > 0 and job.means.needs.activations > 0 for job in jobs)


def test_names_and_engines_that_are_not_there(pipe: Any) -> None:
    odd: list[dict[str, Any]] = [{"rows": 0}, {"open": -1}, {"rows": 1.5}, {"open": None}, {"rows": "8"}]
    for settings in odd:
        with pytest.raises(GenerationError, match=next(iter(settings))):
            Engine({"pixart": pipe}, **settings)
    with pytest.raises(PipelineError, match="without a pipeline"):
        Engine(pipe)
    with pytest.raises(PipelineError, match="without a pipeline"):
        Engine({})
    with pytest.raises(PipelineError, match=r"'sd3'.*pixart"):
        Engine({"pixart": pipe}, front={"sd3": "front.json"})
    engine = Engine({"pixart": pipe})
    with pytest.raises(PipelineError, match=r"'sd3'.*pixart"):
        engine.submit("a fox", model="sd3")
    engine.close()
    with pytest.raises(GenerationError, match="closed"):
        engine.submit("a fox")
    engine.close()  # twice is once


@pytest.mark.parametrize("named", [True, False])
def test_wishes_are_of_the_front_that_is_given(pipe: Any, named: bool) -> None:
    tree = discover(pipe).tree
    measured = {"speedup": 2.0, "quality": 30.0, "memory": 1e6}
    front = Front(tuple(Point(parse(spec).schedule(tree, 4), {}, measured) for spec in ("fora:2",)))
    with apply(pipe, "fora:2"):
        expected = pipe(**asked(pipe))
    with Engine({"pixart": pipe}, front={"pixart": front} if named else front) as engine:
        assert difference(expected, engine.submit(speedup=1.5, **asked(pipe)).result(60)) == 0


def test_closing_ends_what_runs(pipe: Any) -> None:
    engine = Engine({"pixart": pipe}, open=2)
    jobs = [engine.submit(**asked(pipe, steps=100)) for _ in range(4)]
    engine.close()
    assert [job.state for job in jobs] == ["cancelled"] * 4
    assert not engine_threads()


def test_an_engine_that_is_dropped_ends_when_its_jobs_are_over() -> None:
    pipe = PIXART.build()
    engine = Engine({"pixart": pipe})
    job = engine.submit(**asked(pipe))
    kept = weakref.ref(pipe)
    del engine, pipe
    assert job.result(60)
    for thread in engine_threads():
        thread.join(60)
    gc.collect()
    assert kept() is None


def test_nothing_of_a_job_stays(pipe: Any, engine: Engine) -> None:
    job = engine.submit(what="fora:2", **asked(pipe))
    generator = weakref.ref(job.request.arguments["generator"])
    job.result(60)
    del job
    gc.collect()
    assert generator() is None


def test_the_worker_s_fault_leaves_nobody_waiting(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither who runs nor who comes."""
    begun = threading.Event()

    def callback(step: int, timestep: Any, latents: torch.Tensor) -> None:
        begun.set()

    with Engine({"pixart": pipe}) as engine:
        monkeypatch.setattr(threading, "excepthook", lambda args: None)
        running = engine.submit(**asked(pipe, steps=1000), callback=callback)
        assert begun.wait(60)
        monkeypatch.setattr(engine._loop.conductor, "take_turn", lambda: 1 / 0)
        coming = engine.submit(**asked(pipe))
        for job in (running, coming):
            with pytest.raises(ZeroDivisionError):
                job.result(60)
