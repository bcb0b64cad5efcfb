"""Requests with LoRAs, none and several at a time: each is what it is alone, and none knows of the others'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from evocache import apply
from evocache.errors import InputError, PipelineError
from evocache.loading.lora_files import load_loras
from evocache.serve.engine.engine import Engine
from evocache.serve.engine.turns import batches
from tests.serve.calls import difference, tensors
from tests.tiny import FAMILIES
from tests.tiny.arguments import arguments
from tests.tiny.loras import save_lora

PARTS = {"sd15": ("unet", "text_encoder"), "sd3": ("transformer",), "flux": ("transformer", "text_encoder")}
SETS: list[dict[str, float] | None] = [{"ink": 0.8}, {"clay": 1.0}, None, {"clay": 0.5, "ink": -0.7}, {}, {"ink": 0.3}]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Writes the LoRAs of a family: one on all of its parts, and one on the denoiser alone."""
    folder, known = tmp_path_factory.mktemp("loras"), {}

    def make(name: str) -> dict[str, Path]:
        if name not in known:
            build, parts = FAMILIES[name].build, PARTS[name]
            ink = save_lora(build, folder / f"{name}-ink.safetensors", seed=1, parts=parts)
            clay = save_lora(build, folder / f"{name}-clay.safetensors", seed=2, parts=parts[:1])
            known[name] = {"ink": ink, "clay": clay}
        return known[name]

    return make


def with_loras(name: str, files: dict[str, Path]) -> Any:
    pipe = FAMILIES[name].build()
    load_loras(pipe, files)
    return pipe


def asked(name: str, pipe: Any, seed: int, **more: Any) -> dict[str, Any]:
    return {**arguments(FAMILIES[name], pipe, seed=seed, steps=3), **more}


def solo(name: str, files: dict[str, Path], loras: dict[str, float] | None, seed: int, **more: Any) -> Any:
    """What a pipeline of its own gives, by diffusers' own means; without LoRAs, one that never loaded any."""
    if not loras:
        pipe = FAMILIES[name].build()
    else:
        pipe = with_loras(name, {each: files[each] for each in sorted(loras)})
        pipe.enable_lora()
        pipe.set_adapters(sorted(loras), [loras[each] for each in sorted(loras)])
    return pipe(**asked(name, pipe, seed, **more))


@pytest.mark.parametrize("name", PARTS)
def test_each_request_is_what_it_is_alone(name: str, files: Any) -> None:
    expected = [solo(name, files(name), loras, seed) for seed, loras in enumerate([*SETS, *SETS])]
    pipe = with_loras(name, files(name))
    with Engine({"m": pipe}) as engine:
        jobs = [engine.submit(loras=loras, **asked(name, pipe, seed)) for seed, loras in enumerate([*SETS, *SETS])]
        for wanted, job in zip(expected, jobs, strict=True):
            assert difference(wanted, job.result(200)) < 1e-5
            assert not job.notes
        assert engine.figures.together > 0
        assert engine.figures.switches > 0
    same_seed = [solo(name, files(name), loras, 0) for loras in SETS[:4]]
    apart = [difference(one, other) for at, one in enumerate(same_seed) for other in same_seed[:at]]
    assert min(apart) > 1e-3


@pytest.mark.parametrize("name", PARTS)
def test_alone_it_is_the_plain_call_to_the_bit(name: str, files: Any) -> None:
    """Without LoRA that of a pipeline that never loaded one, also after and before others that have some."""
    pipe = with_loras(name, files(name))
    with Engine({"m": pipe}) as engine:
        for loras in (None, {"ink": 0.8}, {}, {"clay": 0.5, "ink": -0.7}, None):
            found = engine.submit(loras=loras, **asked(name, pipe, 5)).result(200)
            pairs = zip(tensors(solo(name, files(name), loras, 5)), tensors(found), strict=True)
            assert all(one.equal(other) for one, other in pairs), loras


def test_calls_of_other_loras_do_not_meet(files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and weights count, where they stand on what is called; a decoder that has none decodes all together."""
    pipe = with_loras("sd15", files("sd15"))
    met: list[str] = []
    whole = batches.compute_together

    def noting(lanes: Any, given: Any, proven: Any) -> Any:
        met.append(lanes[0].stage)
        return whole(lanes, given, proven)

    monkeypatch.setattr(batches, "compute_together", noting)
    with Engine({"m": pipe}) as engine:
        jobs = [engine.submit(loras=loras, **asked("sd15", pipe, 1)) for loras in ({"ink": 0.8}, {"ink": 0.7}, {})]
        for job in jobs:
            job.result(200)
        assert set(met) <= {"decode"}
        met.clear()
        jobs = [engine.submit(loras={"ink": 0.8, "clay": 0.0}, **asked("sd15", pipe, seed)) for seed in range(2)]
        jobs += [engine.submit(loras=["ink"], **asked("sd15", pipe, seed)) for seed in range(2)]
        for job in jobs:
            job.result(200)
        assert "denoise" in met


def test_a_set_that_acts_is_not_switched(files: Any) -> None:
    pipe = with_loras("sd3", files("sd3"))
    with Engine({"m": pipe}) as engine:
        for job in [engine.submit(loras={"ink": 0.8}, **asked("sd3", pipe, seed)) for seed in range(3)]:
            job.result(200)
        assert engine.figures.switches <= 3  # at most once a request that began when none ran
        before = engine.figures.switches
        for job in [engine.submit(**asked("sd3", pipe, seed)) for seed in range(3)]:
            job.result(200)
        assert engine.figures.switches <= before + 1


def test_between_requests_the_pipeline_is_its_user_s(files: Any) -> None:
    pipe = with_loras("sd3", files("sd3"))
    pipe.enable_lora()
    pipe.set_adapters(["clay"], [0.4])
    as_set = pipe(**asked("sd3", pipe, 2))
    with Engine({"m": pipe}) as engine:
        engine.submit(loras={"ink": 1.0}, **asked("sd3", pipe, 2)).result(200)
        assert pipe.get_active_adapters() == ["clay"]
        assert difference(as_set, engine.submit(**asked("sd3", pipe, 2)).result(200)) == 0
        pipe.set_adapters(["ink"], [0.8])  # between two requests it may be set anew
        wanted = solo("sd3", files("sd3"), {"ink": 0.8}, 2)
        assert difference(wanted, engine.submit(**asked("sd3", pipe, 2)).result(200)) == 0
        pipe.delete_adapters("clay")
        with pytest.raises(PipelineError, match=r"LoRA .clay.+one of ink"):
            engine.submit(loras={"clay": 1.0}, **asked("sd3", pipe, 2)).result(200)
    assert difference(wanted, pipe(**asked("sd3", pipe, 2))) == 0


def test_what_is_loaded_between_requests_may_be_named(files: Any) -> None:
    """Into a pipeline without any, and beside one that has acted; their weights count as the engine's memory."""
    pipe = FAMILIES["sd15"].build()
    expected = {name: solo("sd15", files("sd15"), {name: 0.8}, 2) for name in ("ink", "clay")}
    plain = solo("sd15", files("sd15"), None, 2)
    with Engine({"m": pipe}, memory="1GB") as engine:
        left = [engine._loop.conductor.budget._room.left]
        assert difference(plain, engine.submit(**asked("sd15", pipe, 2)).result(200)) == 0
        for name in ("ink", "clay"):
            load_loras(pipe, {name: files("sd15")[name]})
            found = engine.submit(loras={name: 0.8}, **asked("sd15", pipe, 2)).result(200)
            assert difference(expected[name], found) == 0
            left.append(engine._loop.conductor.budget._room.left)
        found = engine.submit(loras={"ink": 0.8}, **asked("sd15", pipe, 2)).result(200)
        assert difference(expected["ink"], found) == 0
        assert difference(plain, engine.submit(**asked("sd15", pipe, 2)).result(200)) == 0
        assert left[0] > left[1] > left[2]  # type: ignore[operator]


def test_a_request_that_sets_adapters_itself_has_the_engine_to_itself(files: Any) -> None:
    """As before; what it sets is given back, and the others' LoRAs act in their turns."""
    pipe = with_loras("sd15", files("sd15"))

    def act(own: Any, step: int, timestep: Any, tensors: Any) -> Any:
        if step == 0:
            own.unet.set_adapters(["clay"], [2.0])
        return tensors

    with Engine({"m": pipe}) as engine:
        jobs = [
            engine.submit(loras={"ink": 0.8}, **asked("sd15", pipe, 1)),
            engine.submit(loras={"ink": 0.5}, callback_on_step_end=act, **asked("sd15", pipe, 2)),
            engine.submit(**asked("sd15", pipe, 3)),
        ]
        for job in jobs:
            job.result(200)
        assert "had the engine to itself" in jobs[1].notes[0]
        assert difference(solo("sd15", files("sd15"), {"ink": 0.8}, 1), jobs[0].result()) < 1e-5
        assert difference(solo("sd15", files("sd15"), None, 3), jobs[2].result()) < 1e-5
        expected = solo("sd15", files("sd15"), {"ink": 0.5}, 2)
        assert difference(expected, jobs[1].result()) > 1e-3
        again = engine.submit(loras={"ink": 0.5}, **asked("sd15", pipe, 2))
        assert difference(expected, again.result(200)) < 1e-5


def test_under_schedules_and_memory(files: Any) -> None:
    """What is stored and planned is each request's own."""
    pipe = with_loras("sd3", files("sd3"))
    with Engine({"m": pipe}, memory="1GB") as engine:
        sets = [{"ink": 0.8}, None, {"clay": 0.5, "ink": -0.7}]
        jobs = [engine.submit(what="fora:2", loras=loras, **asked("sd3", pipe, 4)) for loras in sets]
        found = [job.result(200) for job in jobs]
    for loras, output in zip(sets, found, strict=True):
        own = with_loras("sd3", files("sd3")) if loras else FAMILIES["sd3"].build()
        if loras:
            own.enable_lora()
            own.set_adapters(sorted(loras), [loras[each] for each in sorted(loras)])
        with apply(own, "fora:2"):
            assert difference(own(**asked("sd3", own, 4)), output) < 1e-5


def test_previews_are_of_the_request_s_own(files: Any) -> None:
    pipe = with_loras("sd3", files("sd3"))
    with Engine({"m": pipe}) as engine:
        jobs = [engine.submit(loras=loras, **asked("sd3", pipe, 4)) for loras in ({"ink": 0.8}, {"clay": 1.0})]
        assert jobs[0].preview(200)
        found = [job.result(200) for job in jobs]
    for loras, output in zip(({"ink": 0.8}, {"clay": 1.0}), found, strict=True):
        assert difference(solo("sd3", files("sd3"), loras, 4), output) < 1e-5


@pytest.mark.parametrize("loras", [{"ink": float("nan")}, {"ink": "much"}, {3: 1.0}, "ink", 4, {"ink": True}])
def test_what_is_no_choice_is_refused_at_the_door(loras: Any) -> None:
    pipe = FAMILIES["sd3"].build()
    with Engine({"m": pipe}) as engine:
        with pytest.raises(InputError, match=r"LoRA|loras"):
            engine.submit(loras=loras, **asked("sd3", pipe, 0))
        with pytest.raises(PipelineError, match="none is loaded"):
            engine.submit(loras={"ink": 1.0}, **asked("sd3", pipe, 0)).result(100)
        assert torch.is_tensor(tensors(engine.submit(**asked("sd3", pipe, 0)).result(100))[0])
