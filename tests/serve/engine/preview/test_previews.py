"""Previews of real models, what they leave alone, and who waits for them."""

from __future__ import annotations

import random
import threading
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPAGPipeline

from evocache import zoo
from evocache.errors import GenerationError
from evocache.serve.engine.engine import Engine
from evocache.serve.engine.preview import tail
from evocache.serve.engine.preview.pictures import pictures_of
from tests.serve.calls import PIXART, asked, tensors
from tests.serve.engine.preview.previews import ask_at_every_turn, psnr, shown
from tests.tiny import FAMILIES


@pytest.fixture(scope="module")
def pipe() -> Any:
    return PIXART.build()


def same(expected: Any, found: Any) -> bool:
    return all(one.equal(other) for one, other in zip(tensors(expected), tensors(found), strict=True))


@pytest.mark.parametrize("name", ["zoo:emoji", "zoo:emoji-unet"])
def test_previews_of_a_real_model_come_to_resemble_its_picture(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Engine({"emoji": zoo.load(name)}) as engine:
        wishes = ask_at_every_turn(engine, monkeypatch)
        output = engine.submit("fox on a light blue background", seed=3, num_inference_steps=12).result(300)
    final = output.images[0]
    found = [psnr(preview[0], final) for preview in shown(wishes)]
    assert len(found) == 12
    assert found[3] < found[5] < found[7] < found[9] < found[11]
    assert found[8] > 22  # at three quarters of the steps
    assert found[11] > 60


def test_of_large_pictures_the_preview_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its latents are means of the job's: it resembles the picture, at a fraction of the work."""
    pipe = zoo.load("zoo:emoji")
    monkeypatch.setattr("evocache.serve.engine.preview.small_decode.SIDE", 8)
    with Engine({"emoji": pipe}) as engine:
        wishes = ask_at_every_turn(engine, monkeypatch)
        final = engine.submit("fox on a light blue background", seed=3, num_inference_steps=8).result(300).images[0]
    last = shown(wishes)[-1][0]
    assert (final.size, last.size) == ((48, 48), (24, 24))
    assert psnr(last, final) > 14


@pytest.mark.parametrize("what", ["none", "fora:2"])
def test_a_solver_that_draws_is_told_nothing(pipe: Any, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a generator it draws from the process's states, which are the job's own."""
    solver = DPMSolverMultistepScheduler(algorithm_type="sde-dpmsolver++")
    noisy = type(pipe)(**{**pipe.components, "scheduler": solver})
    given = {**asked(pipe), "generator": None}
    with Engine({"m": noisy}) as engine:
        expected = engine.submit(what=what, seed=5, **given).result(60)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    with Engine({"m": noisy}) as engine:
        wishes = ask_at_every_turn(engine, monkeypatch)
        found = engine.submit(what=what, seed=5, **given).result(60)
    assert same(expected, found)
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == states
    assert len(shown(wishes)) == 4


def test_a_pipeline_that_changes_shared_modules_has_previews(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own call would put the processors back at its end, under the feet of the job."""
    base = FAMILIES["sd15"].build()
    pag = StableDiffusionPAGPipeline(**base.components, requires_safety_checker=False, pag_applied_layers=["mid"])
    pag.set_progress_bar_config(disable=True)
    given = {"prompt": "a fox", "num_inference_steps": 4, "pag_scale": 3.0, "output_type": "np"}
    given |= {"height": 32, "width": 32}
    expected = pag(**given, generator=torch.Generator().manual_seed(2))
    processors = {name: id(each) for name, each in base.unet.attn_processors.items()}
    with Engine({"pag": pag}) as engine:
        wishes = ask_at_every_turn(engine, monkeypatch)
        found = engine.submit(**given, generator=torch.Generator().manual_seed(2)).result(60)
    assert same(expected, found)
    assert len(shown(wishes)) == 4
    assert {name: id(each) for name, each in base.unet.attn_processors.items()} == processors


def test_callbacks_hear_nothing_of_previews(pipe: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []
    wishes = ask_at_every_turn(engine, monkeypatch)
    engine.submit(**asked(pipe), callback=lambda step, timestep, latents: heard.append(step)).result(60)
    assert heard == [0, 1, 2, 3]
    assert len(shown(wishes)) == 4


def test_latents_that_are_asked_for_are_shown_as_pictures(pipe: Any, engine: Engine) -> None:
    job = engine.submit(**{**asked(pipe, steps=50), "output_type": "latent"})
    assert [each.size for each in job.preview(60)] == [(32, 32)]
    assert tensors(job.result(60))[0].shape == (1, 4, 16, 16)


def test_a_preview_that_fails_does_not_touch_its_job(
    pipe: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(args: Any, kwargs: Any) -> Any:
        pipe.vae.to(torch.float64)
        raise RuntimeError("no such latents")

    monkeypatch.setattr(tail, "with_few_latents", decode)
    expected = engine.submit(seed=1, **asked(pipe, steps=12)).result(60)
    wishes = ask_at_every_turn(engine, monkeypatch)
    job = engine.submit(seed=1, **asked(pipe, steps=12))
    assert same(expected, job.result(60))
    assert pipe.vae.dtype == torch.float32
    with pytest.raises(GenerationError, match="RuntimeError: no such latents"):
        next(wish for wish in wishes if wish.answered).wait(0)


def test_a_pipeline_that_wants_all_of_its_picture_decodes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = zoo.load("zoo:emoji")
    original, sizes = pipe.image_processor.postprocess, []

    def postprocess(image: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        sizes.append(image.shape[-1])
        assert sizes[-1] == 48
        return original(image, *args, **kwargs)

    monkeypatch.setattr("evocache.serve.engine.preview.small_decode.SIDE", 8)
    with Engine({"emoji": pipe}) as engine:
        wishes = ask_at_every_turn(engine, monkeypatch)
        monkeypatch.setattr(type(pipe.image_processor), "postprocess", staticmethod(postprocess))
        engine.submit("fox", seed=3, num_inference_steps=4).result(300)
    assert [preview[0].size for preview in shown(wishes)] == [(48, 48)] * 4
    assert sizes == [24, 48, 48, 48, 48, 48]  # once it was tried


def test_within_a_budget_there_are_previews(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its denoiser runs in slices, its features are parked."""
    with Engine({"m": pipe}, memory="1GB") as engine:
        expected = engine.submit(what="fora:2", seed=1, **asked(pipe)).result(60)
        wishes = ask_at_every_turn(engine, monkeypatch)
        found = engine.submit(what="fora:2", seed=1, **asked(pipe)).result(60)
    assert same(expected, found)
    assert len(shown(wishes)) == 4


def test_who_asks_at_once_has_the_same_preview(pipe: Any, engine: Engine) -> None:
    job, found = engine.submit(**asked(pipe, steps=100)), []
    threads = [threading.Thread(target=lambda: found.append(job.preview(60))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(len(each) == 1 for each in found)
    job.cancel()
    with pytest.raises(GenerationError, match="cancelled"):
        job.result(60)
    with pytest.raises(GenerationError, match="over"):
        job.preview(60)


def test_waiting_ends_with_the_job(pipe: Any, engine: Engine) -> None:
    first = engine.submit(**asked(pipe, steps=200))
    first.preview(60)
    with pytest.raises(TimeoutError, match="no preview"):
        first.preview(0)
    first.cancel()
    done = engine.submit(**asked(pipe))
    done.result(60)
    with pytest.raises(GenerationError, match="over"):
        done.preview(60)


def test_jobs_that_wait_with_others_wait_for_one_preview_a_turn(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []
    with Engine({"m": pipe}) as engine:
        ask_at_every_turn(engine, monkeypatch)
        previewer, computing = engine._loop.conductor._previewer, engine._loop.conductor._computing
        take, compute = previewer.take_turn, computing.take_turn

        def preview(chosen: Any) -> bool:
            made = take(chosen)
            turns.extend(["preview"] * made)
            return made

        def step(chosen: Any, others: Any) -> None:
            turns.append("compute")
            compute(chosen, others)

        monkeypatch.setattr(previewer, "take_turn", preview)
        monkeypatch.setattr(computing, "take_turn", step)
        jobs = [engine.submit(seed=seed, **asked(pipe, seed=seed, steps=8)) for seed in range(4)]
        for job in jobs:
            job.result(60)
    assert turns.count("preview") >= 4
    assert "preview preview" not in " ".join(turns)


def test_what_is_not_asked_for_is_not_kept(pipe: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    traces: list[Any] = []
    previewer = engine._loop.conductor._previewer
    original = previewer.take_turn

    def take_turn(chosen: Any) -> bool:
        traces.extend(one.trace for one in chosen)
        return original(chosen)

    monkeypatch.setattr(previewer, "take_turn", take_turn)
    monkeypatch.setattr(engine._loop.conductor, "_keep_turn", lambda one, lane: None)
    result = engine.submit(**asked(pipe)).result(60)
    assert traces
    assert not any(trace._steps or trace._latest or trace.denoisers for trace in traces)
    assert all(not isinstance(leaf, torch.Tensor) for trace in traces for leaf in trace._encoded._values.values())
    assert pictures_of(result)
