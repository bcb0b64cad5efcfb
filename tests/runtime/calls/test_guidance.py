"""Guidance on, off, sequential, and switched off on the way; late starts."""

from __future__ import annotations

import numpy as np
import pytest
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    PNDMScheduler,
)

from evocache import apply
from evocache.policies import parse
from tests.family import Pass, watched
from tests.runtime.support import counted, random_schedule


@pytest.mark.parametrize("name", ["wan", "qwenimage", "sd15", "flux"])
def test_guidance_decides_how_many_branches_there_are(family, name):
    one = family(name)
    expected = one.expected(parse("fora:2").schedule)
    branches = one.tiny.calls_per_step
    with apply(one.pipe, "fora:2") as handle:
        one.call()
        assert handle.stats.executed == expected
        assert handle.stats.calls == {one.model.denoisers[0].name: 4 * branches}
        one.call(guidance=False)
        assert handle.stats.executed == {id: n // branches for id, n in expected.items()}


def test_branches_do_not_read_each_other_s_features(family):
    """A feature of the guided branch in the other would make them alike, and guidance without effect."""
    one = family("wan")
    calls = []
    leaf = one.pipe.transformer.blocks[1].ffn
    hook = one.pipe.transformer.blocks[1].register_forward_hook(lambda module, args, output: calls.append(output))
    with apply(one.pipe, "fora:4"):
        one.call()
    hook.remove()
    assert len(calls) == 8
    assert not any(np.array_equal(a, b) for a, b in zip(calls[::2], calls[1::2], strict=True))
    assert leaf is one.pipe.transformer.blocks[1].ffn


def without_guidance(after):
    """The callback that diffusers' documentation shows: guidance ends, and with it half of the batch."""

    def callback(pipe, step, timestep, tensors):
        if step == after:
            pipe._guidance_scale = 0.0
            tensors["prompt_embeds"] = tensors["prompt_embeds"][-1:]
            for name in ("add_text_embeds", "add_time_ids"):
                if name in tensors:
                    tensors[name] = tensors[name][-1:]
        return tensors

    return callback


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
@pytest.mark.parametrize("spec", ["none", "fora:3", "deepcache:3", "steps:0,5"])
def test_guidance_may_end_on_the_way(family, name, spec):
    one = family(name)
    inputs = ["latents", "prompt_embeds", *(["add_text_embeds", "add_time_ids"] if name == "sdxl" else [])]
    settings = {
        "steps": 8,
        "callback_on_step_end": without_guidance(after=3),
        "callback_on_step_end_tensor_inputs": inputs,
    }
    reference = one.call(**settings)
    with apply(one.pipe, spec) as handle, counted(one) as ran:
        output = one.call(**settings)
    assert np.array_equal(output, reference) == (spec == "none")
    assert np.isfinite(output).all()
    stats = handle.stats
    assert stats.calls == {"unet": 8}
    schedule = parse(spec).schedule(one.model.tree, 8)
    rest = schedule.starting_at(4)
    counts = schedule.executed[:4].sum(axis=0) + rest.executed.sum(axis=0)
    assert stats.executed == dict(zip(schedule.tree.index, map(int, counts), strict=True))
    assert {id: n for id, n in stats.executed.items() if id in one.model["unet"].modules and n} == dict(ran)
    assert stats.peak_cached_bytes == stats.predicted_peak_bytes
    assert stats.cached_bytes == 0


def test_one_of_two_branches_may_end_on_the_way(family):
    one = family("wan")

    def callback(pipe, step, timestep, tensors):
        if step == 2:
            pipe._guidance_scale = 1.0
        return tensors

    with apply(one.pipe, "fora:3") as handle:
        one.call(steps=8, callback_on_step_end=callback)
    stats = handle.stats
    assert stats.calls == {"transformer": 8 + 3}
    feed_forward = one.model.tree.of_kind("feed_forward")[0].id
    assert stats.executed[feed_forward] == 3 + 1
    assert stats.peak_cached_bytes == stats.predicted_peak_bytes
    assert stats.cached_bytes == 0


SCHEDULERS = [DDIMScheduler, PNDMScheduler, EulerDiscreteScheduler, DPMSolverMultistepScheduler, HeunDiscreteScheduler]


@pytest.mark.table("scheduler", family=lambda solver: solver is HeunDiscreteScheduler)
@pytest.mark.parametrize("strength", [1.0, 0.8, 0.34])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_late_start_is_late_in_the_schedule(family, scheduler, strength):
    one = family("sd15_img2img")
    held = one.pipe.scheduler
    one.pipe.scheduler = scheduler.from_config(held.config)
    try:
        with watched(one.pipe, ("unet",)) as timeline:
            one.call(steps=6, strength=strength)
        seen = timeline.passes()["unet"]
        start = seen.steps - seen.rows
        assert (start == 0) == (strength == 1.0)
        schedule = random_schedule(one.model.tree, seen.steps, seed=3, computed=0.4)
        expected = schedule.starting_at(start)
        with apply(one.pipe, schedule) as handle, counted(one) as ran:
            one.call(steps=6, strength=strength)
    finally:
        one.pipe.scheduler = held
    assert handle.stats.schedule == schedule
    assert handle.stats.executed == expected.counts()
    assert dict(ran) == {id: n for id, n in expected.counts().items() if id in one.model["unet"].modules and n}
    assert handle.stats.peak_cached_bytes == handle.stats.predicted_peak_bytes


@pytest.mark.parametrize("name", ["flux_img2img", "sd15_img2img"])
def test_families_from_pictures_start_late(family, name):
    one = family(name)
    (seen,) = one.passes.values()
    assert seen == Pass(steps=4, start=1, rows=3, branches=1)
    with apply(one.pipe, "steps:0,2") as handle:
        one.call()
    stack = one.model.tree.of_kind("span", "deep")[0].id
    assert handle.stats.executed[stack] == 2  # at step 1, where it begins, and at step 2


def test_second_order_solvers_call_the_denoiser_twice_a_step(family):
    one = family("sd15")
    held = one.pipe.scheduler
    one.pipe.scheduler = HeunDiscreteScheduler.from_config(held.config)
    try:
        with apply(one.pipe, "fora:2") as handle:
            one.call(steps=4)
    finally:
        one.pipe.scheduler = held
    assert handle.stats.schedule.steps == 7
    assert handle.stats.calls == {"unet": 7}
    assert handle.stats.executed[one.model.tree.of_kind("feed_forward")[0].id] == 4


def test_two_denoisers_follow_one_schedule(family):
    """Wan 2.2 changes its transformer on the way: the second begins where it is first called."""
    one = family("wan22")
    assert one.passes["transformer_2"].start == one.passes["transformer"].rows == 2
    with apply(one.pipe, "steps:0,3") as handle:
        one.call()
    calls = {c.denoiser: handle.stats.executed[c.id] for c in one.model.tree.of_kind("block")}
    assert calls == {"transformer": 2, "transformer_2": 4}  # 2 branches: steps 0, and 2 (its first) and 3
    assert handle.stats.peak_cached_bytes == handle.stats.predicted_peak_bytes
