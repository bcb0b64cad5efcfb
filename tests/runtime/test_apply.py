"""A pipeline is accelerated, not a class; removing restores it; copies and files know nothing of it."""

from __future__ import annotations

import copy
import functools
import pickle
import warnings

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline, StableDiffusionImg2ImgPipeline, StableDiffusionPipeline

from evocache import Handle, apply
from evocache.errors import MismatchError, PipelineError
from evocache.model import discover
from evocache.policies import Fora, parse
from evocache.runtime.program.step_arguments import leaves_steps_open
from evocache.schedule import Tree, save, uniform
from evocache.schedule.front.point import Point
from tests.runtime.support import changes, snapshot


@pytest.fixture
def sd15(family):
    return family("sd15")


@pytest.fixture
def cached(sd15):
    with apply(sd15.pipe, "fora:2"):
        return sd15.call()


def test_a_schedule_a_policy_a_spec_and_a_file_mean_the_same(sd15, cached, tmp_path):
    schedule = parse("fora:2").schedule(sd15.model.tree, 4)
    file = tmp_path / "fora.json"
    save(schedule, file)
    for what in (schedule, Fora(2), "fora:2", file, str(file)):
        with apply(sd15.pipe, what) as handle:
            assert np.array_equal(sd15.call(), cached)
            assert handle.stats.schedule == schedule


def test_applying_again_replaces(sd15, cached):
    before = snapshot(sd15.pipe)
    first = apply(sd15.pipe, "deepcache:2")
    second = apply(sd15.pipe, "fora:2")
    assert (first.active, second.active) == (False, True)
    assert np.array_equal(sd15.call(), cached)
    first.remove()  # nothing: it was replaced
    assert second.active
    assert type(sd15.pipe).__mro__[1] is StableDiffusionPipeline
    second.remove()
    second.remove()
    assert not second.active
    assert type(sd15.pipe) is StableDiffusionPipeline
    assert np.array_equal(sd15.call(), sd15.reference)
    assert {key for key in changes(before, snapshot(sd15.pipe)) if "class" in key} == set()


def test_a_refused_application_leaves_the_former_one(sd15, cached):
    with apply(sd15.pipe, "fora:2") as handle:
        with pytest.raises(MismatchError):
            apply(sd15.pipe, parse("fora:2").schedule(Tree(sd15.model.tree.components[:3]), 4))
        assert handle.active
        assert np.array_equal(sd15.call(), cached)


def test_a_handle_speaks_of_its_state(sd15):
    handle = apply(sd15.pipe, "fora:2")
    assert isinstance(handle, Handle)
    assert repr(handle) == "<Handle: fora:2 on StableDiffusionPipeline>"
    with pytest.raises(PipelineError) as caught:
        _ = handle.stats
    assert caught.value.mend == "call the pipeline first"
    handle.remove()
    assert repr(handle) == "<Handle: fora:2 on StableDiffusionPipeline, removed>"


def test_a_deep_copy_is_independent_and_not_accelerated(sd15, cached):
    with apply(sd15.pipe, "fora:2") as handle:
        sd15.call()
        twin = copy.deepcopy(sd15.pipe)
        assert type(twin) is StableDiffusionPipeline
        assert twin.unet is not sd15.pipe.unet
        ran = handle.stats
        assert np.array_equal(sd15.tiny.call(twin), sd15.reference)
        assert handle.stats == ran
        with apply(twin, "deepcache:2"):
            sd15.tiny.call(twin)
        assert np.array_equal(sd15.call(), cached)


def test_a_pipeline_of_the_accelerated_class_is_not_accelerated(sd15):
    with apply(sd15.pipe, "fora:2"):
        twin = type(sd15.pipe)(**sd15.pipe.components, requires_safety_checker=False)
        twin.set_progress_bar_config(disable=True)
        assert np.array_equal(sd15.tiny.call(twin), sd15.reference)
        with apply(twin, "fora:3") as handle:
            sd15.tiny.call(twin)
            assert handle.stats.executed == sd15.expected(parse("fora:3").schedule)
    assert type(sd15.pipe) is StableDiffusionPipeline


def test_a_pickle_is_not_accelerated(sd15):
    with apply(sd15.pipe, "fora:2"):
        twin = pickle.loads(pickle.dumps(sd15.pipe))
    assert type(twin) is StableDiffusionPipeline
    assert np.array_equal(sd15.tiny.call(twin), sd15.reference)


def test_saving_knows_nothing_of_it(sd15, tmp_path):
    with apply(sd15.pipe, "fora:2"):
        sd15.call()
        sd15.pipe.save_pretrained(tmp_path)
    sd15.pipe.save_pretrained(tmp_path / "plain")
    for file in sorted((tmp_path / "plain").rglob("*.json")):
        assert (tmp_path / file.relative_to(tmp_path / "plain")).read_text() == file.read_text()
    twin = DiffusionPipeline.from_pretrained(tmp_path)
    twin.set_progress_bar_config(disable=True)
    assert type(twin) is StableDiffusionPipeline
    assert np.array_equal(sd15.tiny.call(twin), sd15.reference)


def test_other_pipelines_from_this_one_are_not_accelerated(sd15):
    with apply(sd15.pipe, "fora:2") as handle:
        twin = StableDiffusionImg2ImgPipeline.from_pipe(sd15.pipe, requires_safety_checker=False)
        assert type(twin) is StableDiffusionImg2ImgPipeline
        again = StableDiffusionPipeline.from_pipe(sd15.pipe)
        again.set_progress_bar_config(disable=True)
        assert np.array_equal(sd15.tiny.call(again), sd15.reference)
        with pytest.raises(PipelineError):
            _ = handle.stats


def test_a_replaced_scheduler_is_followed(sd15):
    held = sd15.pipe.scheduler
    with apply(sd15.pipe, "fora:2") as handle:
        expected = sd15.call()
        sd15.pipe.scheduler = type(held).from_config(held.config)
        assert np.array_equal(sd15.call(), expected)
        assert handle.stats.executed == sd15.expected(parse("fora:2").schedule)
    sd15.pipe.scheduler = held


def test_a_replaced_denoiser_is_discovered_anew(sd15, cached):
    held = sd15.pipe.unet
    with apply(sd15.pipe, "fora:2") as handle:
        sd15.call()
        sd15.pipe.unet = copy.deepcopy(held)
        assert np.array_equal(sd15.call(), cached)
        assert handle.model["unet"].module is sd15.pipe.unet
        assert handle.stats.executed == sd15.expected(parse("fora:2").schedule)
    sd15.pipe.unet = held


def test_a_schedule_is_refused_for_the_denoiser_that_replaced_its_own(sd15):
    held = sd15.pipe.unet
    schedule = parse("fora:2").schedule(sd15.model.tree, 4)
    smaller = type(held).from_config({**held.config, "layers_per_block": 2}).eval()
    with apply(sd15.pipe, schedule) as handle:
        sd15.pipe.unet = smaller
        with pytest.raises(MismatchError, match="16 blocks"):
            sd15.call()
        sd15.pipe.unet = held
        sd15.call()
        assert handle.stats.executed == sd15.expected(parse("fora:2").schedule)
    assert type(held).__mro__[1].__name__ != type(held).__name__


@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad, torch.inference_mode])
def test_a_loop_of_one_s_own(sd15, mode):
    """`handle.generation()` around it; autograd's modes make no difference."""
    pipe = sd15.pipe
    generator = torch.Generator().manual_seed(0)
    start, text = torch.randn(1, 4, 16, 16, generator=generator), torch.randn(1, 77, 32, generator=generator)

    def loop(keep=lambda step: False):
        pipe.scheduler.set_timesteps(4)
        latents, noise = start, None
        for step, t in enumerate(pipe.scheduler.timesteps):
            if not keep(step):
                with mode():
                    noise = pipe.unet(latents, t, text).sample
            latents = pipe.scheduler.step(noise.detach(), t, latents).prev_sample
        return latents

    expected = loop(keep=lambda step: step % 2)
    for _ in range(2):
        with apply(pipe, uniform(sd15.model.tree, 4, ["unet"], [0, 2])) as handle, handle.generation():
            output = loop()
        assert torch.equal(output, expected)
        assert handle.stats.executed["unet"] == 2
        assert handle.stats.cached_bytes == 0


@pytest.fixture
def pixart(family):
    """A pipeline, and its call without a number of steps."""
    built = family("pixart")
    return built.pipe, functools.partial(built.pipe, **{**PIXART, "generator": torch.Generator().manual_seed(0)})


def test_a_timestep_is_found_in_its_place_among_the_arguments(pixart):
    """A PixArt's third argument, not the second as a U-Net's."""
    pipe, _ = pixart
    size = {"resolution": None, "aspect_ratio": None}
    states = torch.randn(1, 5, 32, generator=torch.Generator().manual_seed(1))

    def loop():
        pipe.scheduler.set_timesteps(4)
        latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        for t in pipe.scheduler.timesteps:
            noise = pipe.transformer(latents, states, t[None], None, size, return_dict=False)[0]
            latents = pipe.scheduler.step(noise.detach()[:, :4], t, latents).prev_sample
        return latents

    with apply(pipe, "fora:2") as handle, handle.generation():
        loop()
    leaves = [c.id for c in handle.model.tree.of_kind("feed_forward")]
    assert {handle.stats.executed[leaf] for leaf in leaves} == {2}


PIXART = {
    "prompt": "a fox",
    "height": 32,
    "width": 32,
    "use_resolution_binning": False,
    "clean_caption": False,
    "max_sequence_length": 16,
    "output_type": "latent",
}


def steps_of(pipe, call, what, **given):
    """Steps that were made, and the schedule that was executed."""
    with apply(pipe, what) as handle, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        call(**given)
        assert handle.stats.schedule is not None
        return handle.stats.schedule


def test_a_point_is_run_with_its_own_steps_unless_the_call_says_otherwise(pixart):
    pipe, call = pixart
    schedule = parse("fora:2").schedule(discover(pipe).tree, 5)
    point = Point(schedule, {}, steps=5)
    assert steps_of(pipe, call, point) == schedule
    assert steps_of(pipe, call, point, num_inference_steps=None) == schedule
    assert steps_of(pipe, call, point, num_inference_steps=5) == schedule
    assert steps_of(pipe, call, point, num_inference_steps=3) == schedule.resampled(3)
    with apply(pipe, point) as handle:
        pipe("a fox", "", 4, **{name: value for name, value in PIXART.items() if name != "prompt"})  # by position
        assert handle.stats.schedule == schedule.resampled(4)


def test_what_is_no_point_or_does_not_know_its_steps_leaves_them_to_the_pipeline(pixart, tmp_path):
    pipe, call = pixart
    schedule = parse("fora:2").schedule(discover(pipe).tree, 5)
    save(schedule, tmp_path / "mine.json")
    for what in (schedule, Point(schedule, {}), tmp_path / "mine.json", "fora:2"):
        assert steps_of(pipe, call, what).steps == 20  # the pipeline's own default
    timesteps = [900, 600, 300, 100]
    assert steps_of(pipe, call, Point(schedule, {}, steps=5), timesteps=timesteps).steps == 4


def test_steps_are_open_only_where_a_call_could_name_them_and_does_not():
    def call(self, prompt, num_inference_steps=20, timesteps=None, sigmas=None):
        """As pipelines have it."""

    assert leaves_steps_open(call, (1, "x"), {})
    assert leaves_steps_open(call, (1,), {"prompt": "x", "num_inference_steps": None, "sigmas": None})
    assert not leaves_steps_open(call, (1, "x", 8), {})
    assert not leaves_steps_open(call, (1, "x"), {"timesteps": [3, 2]})
    assert not leaves_steps_open(call, (1, "x"), {"sigmas": [3, 2]})
    assert not leaves_steps_open(call, (1, "x"), {"nonsense": 1})
    assert not leaves_steps_open(lambda self, prompt: None, (1, "x"), {})
