"""What is applied where a user asks for an outcome: a speed-up, a quality, memory, or nothing."""

from __future__ import annotations

import copy
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

import evocache
from evocache import Front, apply
from evocache.errors import AmountError, EvocacheWarning, FrontError, PipelineError, PolicyError, RunError
from evocache.memory.planner.planner import MemoryPlan
from evocache.policies import EvenSteps, NoCache, parse
from evocache.runtime.choice.shipped_front import shipped_front
from evocache.runtime.choice.untuned import OVERHEAD, untuned
from evocache.runtime.program.step_arguments import usual_steps
from evocache.schedule.front import Point
from evocache.schedule.front.front_file import FORMAT, as_json, is_front


@pytest.fixture
def one(family) -> Any:
    return family("pixart")


@pytest.fixture
def front(one) -> Front:
    rows = (("fora:3", 2.5, 30.0, 3e6), ("fora:2", 1.7, 40.0, 2e6), ("taylorseer:2", 1.2, 50.0, 1e6))
    return Front(tuple(point(one, *row) for row in rows))


def point(one: Any, spec: str, speedup: float, quality: float, memory: float) -> Point:
    schedule = parse(spec).schedule(one.model.tree, 4)
    return Point(schedule, {}, {"speedup": speedup, "quality": quality, "memory": memory})


def written(front: Front, folder: Path) -> Path:
    """A run's folder with a front in it."""
    folder.mkdir(exist_ok=True)
    found = [as_json(str(i), point) for i, point in enumerate(front)]
    (folder / "front.json").write_text(json.dumps({"format": FORMAT, "version": 2, "points": found}))
    return folder


@pytest.mark.parametrize(
    ("wish", "number"),
    [({"speedup": 2}, 0), ({"speedup": 1.5}, 1), ({"quality": 45}, 2), ({"quality": 35, "speedup": 1.5}, 1)],
)
def test_a_front_is_picked_from_in_whatever_form_it_comes(one, front, tmp_path, wish, number):
    run = written(front, tmp_path / "run")
    given = (front, run, str(run), run / "front.json", str(run / "front.json"))
    for what in given:
        with apply(one.pipe, what, **wish) as handle:
            assert handle.program.given == front[number].schedule
            assert all(f"{name}={value}" in handle.choice.split(":")[0] for name, value in wish.items())
            assert f"point {number} " in handle.choice


def test_without_a_wish_a_front_gives_a_safe_point_and_says_which(one, front):
    with pytest.warns(EvocacheWarning, match=r"nothing was asked for: point 1 \(1\.70x, quality 40, measured\)"):
        handle = apply(one.pipe, front)
    assert handle.program.given == front[1].schedule
    handle.remove()
    slow = Front(front.points[2:])  # nothing reaches the usual speed-up
    with pytest.warns(EvocacheWarning, match="point 0 "), apply(one.pipe, slow) as handle:
        assert handle.program.given == front[2].schedule


def test_memory_limits_the_point_and_the_generation(one, front):
    with apply(one.pipe, front, speedup=1.1, memory="1.5MB") as handle:
        assert handle.program.given == front[2].schedule
        assert handle.budget == 1_500_000
    with pytest.raises(FrontError, match="memory 500 KB"):
        apply(one.pipe, front, memory="500KB")
    blind = Front(tuple(Point(p.schedule, {}, {"speedup": p.measured["speedup"]}) for p in front))
    with apply(one.pipe, blind, speedup=2, memory="8GB") as handle:  # nobody knows what its points hold
        assert handle.program.given == front[0].schedule


def test_memory_alone_computes_everything(one):
    with apply(one.pipe, memory="8GB") as handle:
        assert np.array_equal(one.call(), one.reference)
        assert handle.budget == 8_000_000_000
        assert handle.stats.executed_fraction == 1
        assert handle.memory is not None
        assert handle.memory.peak <= handle.budget
    with pytest.raises(AmountError, match="8GB"):
        apply(one.pipe, memory=8)
    assert evocache.handle(one.pipe) is None


def test_nothing_is_a_default_that_says_what_it_chose(one):
    with pytest.warns(EvocacheWarning, match=r"nothing was asked for: even:.*predicted.*1\.5x.*quality is unknown"):
        handle = apply(one.pipe)
    with handle:
        one.call()
        assert 0 < handle.stats.executed_fraction < 1
        assert str(handle.program) in handle.choice


@pytest.mark.parametrize("name", ["pixart", "sd15", "flux"])
@pytest.mark.parametrize("speedup", [1.05, 1.5, 2, 3.3])
def test_an_untuned_policy_skips_what_the_speedup_takes(family, name, speedup):
    found = family(name)
    steps = usual_steps(type(found.pipe).__call__)
    policy = untuned(found.pipe, found.model, speedup)
    assert isinstance(policy, EvenSteps)
    computed = len(policy.computed(steps))
    assert steps / (computed + OVERHEAD * (steps - computed)) >= speedup  # what else a skipped step does takes more
    assert policy.schedule(found.model.tree, steps).executed_fraction() < 1
    assert parse(policy.spec) == policy


def test_an_untuned_speedup_is_told_to_be_one(one):
    with pytest.warns(EvocacheWarning, match=r"speedup=2: even:.*not tuned.*evocache evolve --model .* --out runs/"):
        apply(one.pipe, speedup=2).remove()
    with pytest.raises(PolicyError, match=r"speedup=1000 .*at most .*one step"):
        apply(one.pipe, speedup=1000)
    assert untuned(one.pipe, one.model, 1.0) == NoCache()
    assert untuned(one.pipe, one.model, 0.5) == NoCache()


@pytest.mark.parametrize("speedup", [0, -1, float("nan"), float("inf"), "fast", True])
def test_a_speedup_that_is_none_is_refused(one, speedup):
    with pytest.raises(PolicyError, match="speedup"):
        apply(one.pipe, speedup=speedup)
    assert evocache.handle(one.pipe) is None


def test_a_quality_needs_a_front_and_the_command_is_named(one):
    for wish in ({"quality": 35}, {"quality": 35, "speedup": 2}, {"quality": 35, "memory": "8GB"}):
        with pytest.raises(FrontError, match=r"quality=35.*evocache evolve --model .*quality=35\)"):
            apply(one.pipe, **wish)


def test_a_wish_with_a_single_schedule_is_refused(one, front):
    schedule = front[0].schedule
    for what in ("fora:2", parse("fora:2"), schedule, front[0]):
        with pytest.raises(PolicyError, match=r"speedup=2 with .*to choose from"):
            apply(one.pipe, what, speedup=2)
    with pytest.raises(PolicyError, match="an existing file"):
        apply(one.pipe, "runs/nowhere", speedup=2)


def test_a_folder_without_a_front_is_no_run(one, tmp_path):
    for wish in ({}, {"speedup": 2}):
        with pytest.raises(RunError, match="without a front"):
            apply(one.pipe, tmp_path, **wish)
    assert not is_front(tmp_path / "front.json")
    (tmp_path / "front.json").write_text("{")
    assert not is_front(tmp_path / "front.json")


@pytest.fixture(scope="module")
def zoo() -> Any:
    from evocache.zoo.load import load

    return load("zoo:emoji")


def test_the_front_beside_the_weights_is_the_models_own(zoo):
    model = evocache.discover(zoo)
    shipped = shipped_front(zoo, model)
    assert shipped is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for wish in ({"speedup": 2}, {"quality": 35}, {"speedup": 1.4, "quality": 50}):
            with apply(zoo, **wish) as handle:
                assert handle.program.given == shipped.pick(**wish).schedule
                assert "of the front that ships with the model" in handle.choice
    with pytest.warns(EvocacheWarning, match="nothing was asked for: .*that ships with the model"):
        handle = apply(zoo)
    handle.remove()
    assert next(p for p in shipped if p.schedule == handle.program.given).measured["speedup"] >= 1.5
    with pytest.raises(FrontError, match="nearest"):
        apply(zoo, quality=500)


def test_what_apply_warned_of_is_in_the_figures_of_generations(zoo):
    with pytest.warns(EvocacheWarning, match="nothing was asked for") as seen:
        handle = apply(zoo)
    with handle, warnings.catch_warnings():
        warnings.simplefilter("error", EvocacheWarning)  # it is not told again
        for _ in range(2):
            zoo("a fox", num_inference_steps=handle.program.steps)
            assert handle.stats.warnings == (handle.choice,) == (str(seen[0].message),)
    with apply(zoo, speedup=2) as handle:
        zoo("a fox")
        assert handle.choice
        assert handle.stats.warnings == ()


def test_a_front_beside_other_weights_is_passed_over(one, zoo, tmp_path):
    """A front of other components lies in the folder; nobody is refused for it."""
    one.pipe.save_pretrained(tmp_path / "mine")
    mine = type(one.pipe).from_pretrained(tmp_path / "mine")
    assert shipped_front(mine, evocache.discover(mine)) is None
    shutil.copy(Path(zoo.config["_name_or_path"]) / "front.json", tmp_path / "mine")
    assert shipped_front(mine, evocache.discover(mine)) is None
    written(Front((point(one, "fora:2", 1.9, 33.0, 0.0),)), tmp_path / "mine")
    with apply(mine, speedup=1.5) as handle:
        assert str(handle.program) == "fora:2"


def test_a_bare_denoiser_is_accelerated_in_a_loop_of_its_own(family):
    unet = family("sd15").pipe.unet
    solver = DDIMScheduler()

    def loop() -> torch.Tensor:
        solver.set_timesteps(6)
        generator = torch.Generator().manual_seed(0)
        sample = torch.randn(1, unet.config.in_channels, 8, 8, generator=generator)
        prompt = torch.randn(1, 4, unet.config.cross_attention_dim, generator=generator)
        for timestep in solver.timesteps:
            with torch.no_grad():
                noise = unet(sample, timestep, encoder_hidden_states=prompt).sample
            sample = solver.step(noise, timestep, sample).prev_sample
        return sample

    before = loop()
    uncached = apply(unet, "none")
    with uncached.generation(steps=6):
        assert torch.equal(loop(), before)
    handle = apply(unet, "deepcache:2")
    assert torch.equal(loop(), before)  # nothing is changed outside of a generation
    with handle.generation(steps=6):
        cached = loop()
    with handle.generation(steps=6):
        assert torch.equal(loop(), cached)
    assert not torch.equal(cached, before)
    assert handle.stats.schedule == parse("deepcache:2").schedule(evocache.discover(unet).tree, 6)
    assert handle.stats.calls == {"denoiser": 6}
    assert "deepcache:2" in str(handle)
    handle.remove()
    assert torch.equal(loop(), before)
    with pytest.warns(EvocacheWarning, match="speedup=2: even:"):
        assert isinstance(apply(unet, speedup=2).program, EvenSteps)


def test_the_handle_of_a_bare_denoiser_is_found_and_removed_by_the_denoiser(one, family):
    denoiser = one.pipe.transformer
    assert evocache.handle(denoiser) is None
    evocache.remove(denoiser)  # nothing to do
    first = apply(denoiser, "fora:2")
    assert evocache.handle(denoiser) is first
    assert evocache.handle(family("sd15").pipe.unet) is None
    second = apply(denoiser, "fora:3")  # in the place of the first
    assert evocache.handle(denoiser) is second
    assert not first.active
    with apply(denoiser, "steps:0,2") as inner:
        assert evocache.handle(denoiser) is inner
    assert str(evocache.handle(denoiser).program) == "fora:3"
    evocache.remove(denoiser)
    assert not second.active
    assert evocache.handle(denoiser) is None
    assert evocache.handle(one.pipe) is None
    assert evocache.handle(one.pipe.vae) is None


def test_a_bare_denoiser_is_itself_and_no_copy(one):
    denoiser = one.pipe.transformer
    handle = apply(denoiser, "fora:2")
    assert evocache.handle(copy.deepcopy(denoiser)) is None
    assert evocache.handle(torch.compile(denoiser, backend="eager")) is handle
    again = apply(torch.compile(denoiser, backend="eager"), "fora:3")
    assert evocache.handle(denoiser) is again
    assert not handle.active
    del handle, again  # nobody has it, so that it is over
    assert evocache.handle(denoiser) is None


def test_what_a_bare_module_cannot_do_is_refused(one):
    with pytest.raises(PipelineError, match=r"AutoencoderKL, which is no denoiser.*pass the pipeline"):
        apply(one.pipe.vae, "fora:2")
    for memory in ("8GB", MemoryPlan(None, {})):
        with pytest.raises(PipelineError, match=r"memory=.* for a bare PixArt.*pass the pipeline"):
            apply(one.pipe.transformer, "fora:2", memory=memory)
    with pytest.raises(PipelineError, match=r"a call of a bare PixArt.*handle\.generation\(steps=20\)"):
        apply(one.pipe.transformer, "fora:2").pipe("a red fox")


def test_the_handle_is_found_and_removed_by_the_pipeline(one):
    assert evocache.handle(one.pipe) is None
    evocache.remove(one.pipe)  # nothing to do
    applied = apply(one.pipe, "fora:2")
    assert evocache.handle(one.pipe) is applied
    evocache.remove(one.pipe)
    assert not applied.active
    assert evocache.handle(one.pipe) is None
    assert np.array_equal(one.call(), one.reference)
    assert evocache.handle("no pipeline") is None
    evocache.remove(None)


def test_nested_blocks_give_back_what_was_applied_before(one):
    with apply(one.pipe, "fora:2") as outer:
        with apply(one.pipe, "fora:3") as inner:
            assert evocache.handle(one.pipe) is inner
            with apply(one.pipe, "steps:0,2"):
                evocache.remove(one.pipe)
            assert evocache.handle(one.pipe).program == inner.program
        assert evocache.handle(one.pipe).program == outer.program
        assert outer.active
    assert evocache.handle(one.pipe) is None
