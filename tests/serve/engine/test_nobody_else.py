"""What is odd about one request concerns nobody else, and hangs nothing."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.utils import BaseOutput

from evocache.errors import GenerationError
from evocache.memory.store import FeatureStore
from evocache.runtime.estimate.residency import weights
from evocache.serve.engine import Engine
from tests.serve.calls import PIXART, asked, difference, engine_threads


@dataclass
class Found(BaseOutput):
    """An output of a model, of which torch knows no paths."""

    sample: torch.Tensor


@pytest.fixture
def pipe() -> Any:
    found = PIXART.build()
    found.set_progress_bar_config(disable=True)
    return found


@pytest.mark.parametrize(
    "odd",
    [{"seed": 1 << 70}, {"seed": "7"}, {"seed": 1.5}, {"seed": True}, {"user": ["me"]}, {"deadline": "3"}],
    ids=lambda odd: str(odd)[:20],
)
def test_what_is_no_seed_user_or_deadline_is_refused_at_the_door(pipe: Any, engine: Engine, odd: Any) -> None:
    with pytest.raises(GenerationError, match=next(iter(odd))):
        engine.submit(**asked(pipe), **odd)
    engine.submit(**asked(pipe), seed=np.int64(7), deadline=np.float32(60)).result(60)


def test_an_output_among_the_arguments_of_a_component(pipe: Any, engine: Engine) -> None:
    class Odd(type(pipe)):  # type: ignore[misc]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            given = torch.ones(2, 7, dtype=torch.long)
            self.text_encoder(given, attention_mask=None, inputs_embeds=None, head_mask=Found(torch.ones(2)))
            return super().__call__(*args, **kwargs)

    pipe.text_encoder.forward = lambda *args, head_mask=None, **kwargs: type(pipe.text_encoder).forward(
        pipe.text_encoder, *args, **kwargs
    )
    pipe.__class__ = Odd
    for job in [engine.submit(**asked(pipe, seed=seed)) for seed in range(3)]:
        job.result(60)


def test_close_within_a_job(pipe: Any) -> None:
    engine = Engine({"pixart": pipe})
    job = engine.submit(**asked(pipe), callback=lambda *_: engine.close())
    with pytest.raises(GenerationError, match="cancelled"):
        job.result(60)
    engine.close()
    assert not engine_threads()


def test_weights_written_into_at_the_end_of_a_turn_that_others_were_in(pipe: Any, engine: Engine) -> None:
    begun = threading.Event()

    def wait(step: int, *_: Any) -> None:
        begun.wait(60)

    def write(step: int, *_: Any) -> None:
        if step == 3:
            with torch.no_grad():
                next(pipe.transformer.parameters()).mul_(1.0)

    first = engine.submit(**asked(pipe, steps=2), callback=wait)
    latents = {"output_type": "latent"}
    writes = engine.submit(**{**asked(pipe, seed=1), **latents}, callback=write)
    other = engine.submit(**{**asked(pipe, seed=2), **latents})
    begun.set()
    first.result(60)
    writes.result(60)
    with pytest.raises(GenerationError, match="changed by another job"):
        other.result(60)
    engine.submit(**asked(pipe)).result(60)


def test_who_had_the_engine_alone_owes_nothing_for_it(pipe: Any) -> None:
    with Engine({"pixart": pipe}, rows=2) as engine:
        alone, later = threading.Event(), threading.Event()

        def count(step: int, *_: Any) -> None:
            if step == 120:
                alone.set()

        def look(step: int, *_: Any) -> None:
            if step == 30:
                seen.append(long.progress.step)
                later.set()

        seen: list[int] = []
        long = engine.submit(**asked(pipe, steps=900), callback=count, user="long")
        assert alone.wait(60)
        other = engine.submit(**asked(pipe, steps=40, seed=1), callback=look, user="other")
        before = long.progress.step
        assert later.wait(60)
        assert seen[0] - before >= 5
        long.cancel()
        other.result(60)


@pytest.mark.parametrize("how", ["cancelled", "failed"])
def test_a_job_that_is_kept_keeps_no_latents(pipe: Any, engine: Engine, how: str) -> None:
    held: list[weakref.ref[torch.Tensor]] = []
    begun = threading.Event()

    def callback(step: int, timestep: Any, latents: torch.Tensor) -> None:
        held.append(weakref.ref(latents))
        begun.set()
        if how == "failed":
            raise KeyError("mine")

    job = engine.submit(**asked(pipe, steps=300), callback=callback)
    assert begun.wait(60)
    job.cancel()
    with pytest.raises((KeyError, GenerationError)):
        job.result(60)
    engine.submit(**asked(pipe)).result(60)
    gc.collect()
    assert not any(each() is not None for each in held)


def test_memory_that_is_short_for_features_of_others(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(self: FeatureStore) -> None:
        raise torch.OutOfMemoryError("short")

    monkeypatch.setattr(FeatureStore, "own", short)
    with Engine({"pixart": pipe}) as engine:
        for job in [engine.submit(**asked(pipe, steps=4 + at, seed=at), what="fora:2") for at in range(3)]:
            job.result(60)


def test_weights_of_several_pipelines_count_once(pipe: Any) -> None:
    other = type(pipe)(**pipe.components)
    with Engine({"one": pipe, "other": other}, memory=int(sum(weights(pipe).values()) * 1.5)):
        pass


def test_a_pipeline_that_was_moved_computes_where_it_is(pipe: Any, engine: Engine) -> None:
    places = []

    class Looks(type(pipe)):  # type: ignore[misc]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            places.append(str(self._execution_device))
            return None

    pipe.__class__ = Looks
    for place in ("cpu", "meta"):
        pipe.to(place)
        engine.submit(**asked(pipe)).result(60)
    assert places == ["cpu", "meta"]


def test_a_module_that_was_exchanged_is_let_go(pipe: Any, engine: Engine) -> None:
    engine.submit(**asked(pipe), what="fora:2").result(60)
    former = weakref.ref(pipe.transformer)
    pipe.register_modules(transformer=PIXART.build().transformer)
    engine.submit(**asked(pipe), what="fora:2").result(60)
    gc.collect()
    assert former() is None


@pytest.mark.parametrize("does", ["it draws random numbers", "it writes into its arguments"])
def test_what_draws_or_writes_is_computed_alone_and_as_alone(pipe: Any, does: str) -> None:
    forward = type(pipe.transformer).forward

    def odd(hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if "draws" in does:
            hidden_states = hidden_states + 0.1 * torch.randn(1)
        else:
            hidden_states.mul_(0.9)
        return forward(pipe.transformer, hidden_states, *args, **kwargs)

    pipe.transformer.forward = odd
    alone = []
    with Engine({"pixart": pipe}) as engine:
        for seed in range(3):
            alone.append(engine.submit(**asked(pipe, seed=seed), seed=seed).result(60))
    with Engine({"pixart": pipe}) as engine:
        jobs = [engine.submit(**asked(pipe, seed=seed), seed=seed) for seed in range(3)]
        for one, job in zip(alone, jobs, strict=True):
            assert difference(one, job.result(60)) < 1e-5
        assert engine.figures.alone[does]


def test_a_pipeline_that_catches_its_cancellation_ends_at_its_next_call(pipe: Any, engine: Engine) -> None:
    begun, steps = threading.Event(), []

    class Catches(type(pipe)):  # type: ignore[misc]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            try:
                return super().__call__(*args, **kwargs)
            except BaseException:
                kwargs["callback"] = lambda step, *_: steps.append(step)
                return super().__call__(*args, **kwargs)

    pipe.__class__ = Catches
    job = engine.submit(**asked(pipe, steps=200), callback=lambda *_: begun.set())
    assert begun.wait(60)
    job.cancel()
    with pytest.raises(GenerationError, match="cancelled"):
        job.result(60)
    assert not steps


def test_a_process_that_ends_while_a_job_runs_ends_well() -> None:
    code = """
import threading
from evocache import zoo
from evocache.serve.engine import Engine
begun = threading.Event()
engine = Engine({"emoji": zoo.load("zoo:emoji")})
engine.submit("fox", num_inference_steps=500, callback=lambda *_: begun.set())
assert begun.wait(60)
"""
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, timeout=120).returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no process is forked here")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_an_engine_of_another_process_is_refused(engine: Engine, pipe: Any) -> None:
    child = os.fork()
    if child == 0:
        try:
            engine.submit(**asked(pipe))
        except GenerationError as error:
            os._exit(0 if "forked" in str(error) else 1)
        os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


def test_users_who_have_nothing_left_are_forgotten(pipe: Any, engine: Engine) -> None:
    long = engine.submit(**asked(pipe, steps=5000), user="long")
    for at in range(3):
        engine.submit(**asked(pipe, steps=2), user=f"user {at}").result(60)
    assert set(engine._loop.conductor._served) <= {"long"}
    long.cancel()


def test_a_preview_that_is_asked_for_in_company_waits_for_a_step(pipe: Any, engine: Engine) -> None:
    """The call that a job waits with when the preview is asked for is not seen."""
    jobs = [engine.submit(**asked(pipe, seed=seed, steps=100)) for seed in range(3)]
    for job in jobs:
        assert job.preview(60)
    for job in jobs:
        job.cancel()
