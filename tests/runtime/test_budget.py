"""A budget is met, as measured, or refused before anything is computed, with the bytes that are missing."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.hooks import HookRegistry, ModelHook
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evocache import apply, plan_memory
from evocache.errors import AmountError, BudgetError, PipelineError
from evocache.memory.offload.shared_offload import offloads_of
from evocache.memory.planner.planner import MemoryPlan, smallest
from evocache.policies import parse
from evocache.runtime import call_memory
from evocache.runtime.estimate.measure import measure
from evocache.runtime.estimate.residency import movable, weights
from evocache.schedule import Schedule
from evocache.schedule.front.point import Point
from tests.runtime.estimate.test_dry_run import given as arguments
from tests.runtime.support import random_schedule, with_nested_spans
from tests.tiny import FAMILIES, FAMILY_OF

NAMES = ["sd15", "pixart", "animatediff", "svd", "text_to_video_sd", "wan", "cogvideox"]

EXACT = 1.01
"""Most that a run may hold, as a share of what was predicted."""

NEAR = 0.6
"""Least that a run must hold, as a share of what was predicted: else the prediction is of no use."""


def held(one: Any) -> tuple[Any, int]:
    """The output of a run, and the most bytes of tensors that it held, weights included."""
    out: list[Any] = []
    stages = measure(one.pipe, one.model, lambda: out.append(one.call()))
    return out[0], max(stage.bytes for stage in stages.values())


@pytest.mark.table("name", family=FAMILY_OF.get)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spec", ["none", "fora:2", "steps:0,2"])
def test_what_is_held_is_what_was_predicted(family, name, spec):
    one = family(name)
    with apply(one.pipe, spec) as handle:
        plan = handle.plan(**arguments(one))
        _, peak = held(one)
        assert NEAR * plan.peak <= peak <= EXACT * plan.peak
        assert handle.stats.peak_cached_bytes == plan.stages["denoise"].features
        assert plan.stages["denoise"].weights == sum(weights(one.pipe).values())


@pytest.mark.table("name", family=FAMILY_OF.get)
@pytest.mark.parametrize("name", NAMES)
def test_the_least_budget_is_met_and_a_byte_less_is_refused(family, name):
    one = family(name)
    with apply(one.pipe, "fora:2") as handle:
        whole, before = held(one)
        as_it_is = handle.plan(**arguments(one))
    with apply(one.pipe, "fora:2", memory=0):
        with pytest.raises(BudgetError) as refused:
            one.call()
        least = refused.value.shortfall
    assert least <= as_it_is.peak
    with apply(one.pipe, "fora:2", memory=least - 1), pytest.raises(BudgetError) as refused:
        one.call()
    assert refused.value.shortfall == 1
    with apply(one.pipe, "fora:2", memory=least) as handle:
        handle.plan(**arguments(one))
        out, after = held(one)
        assert handle.memory.peak <= least
        assert handle.stats.executed
    assert after <= min(EXACT * least, before)
    assert float(np.abs(out - whole).max()) <= 2e-4 * max(float(np.abs(whole).max()), 1.0)
    assert np.array_equal(one.call(), one.reference)


@st.composite
def schedules(draw, tree, steps=4):
    """Any schedule of a tree."""
    rows = draw(st.lists(st.integers(0, 2**32 - 1), min_size=steps, max_size=steps))
    orders = np.stack([np.random.default_rng(seed).choice([-1, -1, 0], size=len(tree)) for seed in rows])
    orders[0] = -1
    return Schedule(tree, orders.astype(np.int8))


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), share=st.floats(0.0, 1.1))
@pytest.mark.table("name", family=lambda name: "any")
@pytest.mark.parametrize("name", ["wan", "sd15", "text_to_video_sd"])
def test_any_schedule_meets_any_budget_or_is_refused(family, name, data, share):
    one = family(name)
    schedule = data.draw(schedules(one.model.tree))
    with apply(one.pipe, schedule) as handle:
        whole, _ = held(one)
        most = handle.plan(**arguments(one)).peak
    budget = int(share * most)
    with apply(one.pipe, schedule, memory=f"{budget}B") as handle:
        try:
            handle.plan(**arguments(one))
        except BudgetError as error:
            enough = budget + error.shortfall
            with apply(one.pipe, schedule, memory=enough - 1) as tight, pytest.raises(BudgetError):
                tight.plan(**arguments(one))
            with apply(one.pipe, schedule, memory=enough) as least:
                least.plan(**arguments(one))
                out, peak = held(one)
            assert peak <= EXACT * enough
        else:
            out, peak = held(one)
            assert peak <= EXACT * budget
    assert float(np.abs(out - whole).max()) <= 5e-4 * max(float(np.abs(whole).max()), 1.0)


def test_what_contains_a_stored_block_runs_as_a_whole(family):
    """The least budget would cut the transformers of the U-Net, whose blocks are stored here as wholes."""
    one = family("sd15")
    tree = one.model.tree
    orders = np.full((4, len(tree)), -1, dtype=np.int8)
    orders[1:, [i for i, c in enumerate(tree) if c.kind == "block"]] = 0
    schedule = Schedule.repaired(tree, orders)
    with apply(one.pipe, schedule):
        whole = one.call()
    with apply(one.pipe, schedule, memory=0) as handle, pytest.raises(BudgetError) as refused:
        handle.plan(**arguments(one))
    with apply(one.pipe, schedule, memory=refused.value.shortfall) as handle:
        assert handle.plan(**arguments(one)).cuts["unet"]
        assert float(np.abs(one.call() - whole).max()) <= 1e-5


@pytest.mark.parametrize("storage", ["none", "int8"])
@pytest.mark.parametrize("spec", ["fora:2", "taylorseer:2,2", "steps:0,2", "spans", 0, 1])
def test_what_is_made_of_features_in_slices_counts(family, spec, storage):
    """Decoded and forecast features are made slice by slice, and what enters a span is kept until it leaves."""
    one = family("pixart")
    given = {**arguments(one), "num_images_per_prompt": 4}
    if isinstance(spec, int):
        schedule = random_schedule(one.model.tree, 4, spec)
    elif spec == "spans":
        tree = with_nested_spans(one.model.tree)
        orders = np.full((4, len(tree)), -1, dtype=np.int8)
        orders[[2, 3, 1], [i for i, c in enumerate(tree) if c.kind == "span"]] = 0  # each of them, at a step of its own
        schedule = Schedule.repaired(tree, orders)
    else:
        schedule = parse(spec).schedule(one.model.tree, 4)
    with apply(one.pipe, schedule, storage=storage, memory=0) as handle, pytest.raises(BudgetError) as refused:
        handle.plan(**given)
    with apply(one.pipe, schedule, storage=storage, memory=refused.value.shortfall) as handle:
        plan = handle.plan(**given)
        assert plan.cuts["transformer"]
        stages = measure(one.pipe, one.model, lambda: one.pipe(**given))
    peak = max(stage.bytes for stage in stages.values())
    assert NEAR * plan.peak <= peak <= 1.002 * plan.peak  # scales of codes are kept for each slice


@pytest.mark.parametrize("name", ["sd15", "wan"])
def test_stages_are_weighed_where_that_is_asked_for(family, name):
    one = family(name)
    with apply(one.pipe, "fora:2", measure=True) as handle:
        plan = handle.plan(**arguments(one))
        cached = one.call()
        stages = handle.stats.stages
        assert list(stages) == ["encode", "denoise", "decode"]
        assert stages["denoise"].features == handle.stats.peak_cached_bytes > 0
        for stage, measured_ in stages.items():
            assert NEAR * plan.stages[stage].bytes <= measured_.bytes <= EXACT * plan.stages[stage].bytes
        handle.measure = False
        assert np.array_equal(one.call(), cached)
        assert handle.stats.stages == {}


def test_nothing_is_computed_before_a_budget_is_refused(family):
    one = family("sd15")
    ran: list[Any] = []
    hooks = [m.register_forward_pre_hook(lambda *a: ran.append(a)) for m in (one.pipe.unet, one.pipe.text_encoder)]
    with apply(one.pipe, "fora:2", memory="1KB"), pytest.raises(BudgetError, match=r"try: "):
        one.call()
    for hook in hooks:
        hook.remove()
    assert not ran


def test_a_plan_is_made_once_for_calls_of_one_form(family):
    one = family("sd15")
    with apply(one.pipe, "fora:2", memory="1GB") as handle:
        one.call()
        first = handle.memory
        one.call(seed=1)
        assert handle.memory is first
        one.call(guidance=False)
        assert handle.memory is not first
        assert isinstance(first, MemoryPlan)
        one.pipe.vae.enable_slicing()
        try:
            sliced = handle.plan(**arguments(one))
        finally:
            one.pipe.vae.disable_slicing()
        assert sliced is not first
        assert handle.plan(**arguments(one)) is first
        assert not first.cuts
        assert first.capacity is None


def test_a_point_is_planned_with_what_it_brings_along(family):
    one = family("pixart")
    call = {name: value for name, value in arguments(one).items() if name != "num_inference_steps"}
    schedule = parse("fora:2").schedule(one.model.tree, 4)
    point = Point(schedule, {}, steps=4, storage="bf16")
    as_it_is = plan_memory(one.pipe, call, point, offload=False)
    assert (as_it_is.steps, as_it_is.footprint.storage, as_it_is.plan.budget) == (4, "bf16", None)
    whole = plan_memory(one.pipe, {**call, "num_inference_steps": 5}, point, storage="none", offload=False)
    assert (whole.steps, whole.footprint.storage) == (5, "none")
    assert whole.plan.stages["denoise"].features > as_it_is.plan.stages["denoise"].features
    kept = replace(point, budget=as_it_is.plan.peak - 1)
    planned = plan_memory(one.pipe, call, kept, offload=False)
    assert planned.plan.peak < as_it_is.plan.peak
    with apply(one.pipe, kept) as handle:
        assert replace(handle.plan(**call), seconds=0.0) == replace(planned.plan, seconds=0.0)  # machines differ
    assert plan_memory(one.pipe, call, kept, budget="10GB", offload=False).plan.peak == as_it_is.plan.peak


def test_a_plan_moves_components_where_there_is_a_device_to_leave(family, monkeypatch):
    one = family("pixart")
    stages = {"text_encoder": ("encode",), "transformer": ("denoise",), "vae": ("decode",)}
    moving = MemoryPlan(None, {}, offload=stages)
    with apply(one.pipe, "none") as former:
        with pytest.raises(PipelineError, match="offload=False"):
            apply(one.pipe, "none", memory=moving)
        assert former.active
    whole = one.call()
    modules = [one.pipe.text_encoder, one.pipe.transformer, one.pipe.vae]
    attributes = [set(module.__dict__) for module in modules]
    # Where the device is the CPU, too, all is as on another, but for where the copies lie.
    monkeypatch.setattr(sys.modules["evocache.runtime.apply"], "_movable", lambda pipe, plan: None)
    there = []
    with apply(one.pipe, "none", memory=moving) as handle:
        inside = one.pipe.transformer.transformer_blocks[0]
        hook = inside.register_forward_pre_hook(lambda *_: there.append(offloads_of(one.pipe)[0].there))
        for _ in range(2):
            assert np.array_equal(one.call(), whole)
            assert offloads_of(one.pipe)[0].there == ()
        hook.remove()
        handle.memory = replace(moving, offload={"text_encoder": ("encode",)})
        assert np.array_equal(one.call(), whole)  # the plan of this call: the others are there again
        assert list(offloads_of(one.pipe)[0].stages) == ["text_encoder"]
    assert set(there) == {("transformer",)}
    assert [set(module.__dict__) for module in modules] == attributes  # which other tests' offloading may have left
    assert not any("_hf_hook" in module.__dict__ for module in modules)
    assert np.array_equal(one.call(), whole)


def test_calls_are_planned_for_while_components_are_away(family, monkeypatch):
    """The CPU stands for a device, as above: what is planned from weights that lie packed is what it was before."""
    one = family("pixart")
    call = arguments(one)
    monkeypatch.setattr(call_memory, "movable", lambda pipe: True)
    footprint = plan_memory(one.pipe, call, "fora:2").footprint
    sizes = weights(one.pipe)
    with apply(one.pipe, "fora:2", memory=smallest(footprint).peak) as handle:
        whole = one.call()
        first = handle.memory
        assert first.offload == {"vae": ("decode",), "text_encoder": ("encode",), "transformer": ("denoise",)}
        assert offloads_of(one.pipe)[0].there == ()
        assert weights(one.pipe) == sizes
        handle._state.plans.clear()
        assert np.array_equal(one.call(), whole)
        assert (handle.memory is first, handle.memory) == (False, first)
    assert weights(one.pipe) == sizes


def test_what_offloading_leaves_on_the_device_is_counted(family):
    """Diffusers takes a component away when the one after it is called: not what an image was encoded with."""
    svd, sd = (plan_memory(family(name).pipe, arguments(family(name))).footprint for name in ("svd", "sd15"))
    assert svd.encode.weights == ("image_encoder", "vae")
    assert svd.denoising == ("unet",)
    assert svd.decode.weights == ("vae",)
    assert (sd.encode.weights, sd.denoising, sd.decode.weights) == (("text_encoder",), ("unet",), ("vae",))
    one = family("svd")
    least = smallest(plan_memory(one.pipe, arguments(one)).footprint)
    assert least.offload == {"image_encoder": ("encode",), "unet": ("denoise",), "vae": ("encode", "decode")}
    assert least.stages["denoise"].weights == weights(one.pipe)["unet"]
    pipe = FAMILIES["svd"].build()  # of its own: accelerate leaves traces
    pipe.enable_model_cpu_offload(device="cpu")
    theirs = plan_memory(pipe, arguments(one))
    assert set(theirs.footprint.denoising) == {"vae", "unet"}
    assert theirs.as_it_is.stages["denoise"].weights == sum(weights(pipe)[name] for name in ("vae", "unet"))


def test_components_leave_where_there_is_a_device_and_no_other_way(family, monkeypatch):
    pipe = family("pixart").pipe
    assert not movable(pipe)  # there is nothing but the CPU
    monkeypatch.setattr(type(pipe), "_execution_device", property(lambda pipe: torch.device("meta")))
    assert movable(pipe)
    registry = HookRegistry.check_if_exists_or_initialize(pipe.transformer)
    registry.register_hook(ModelHook(), "theirs")
    assert not movable(pipe)  # diffusers may move its weights
    registry.remove_hook("theirs")
    assert movable(pipe)  # a registry stays, and does nothing
    monkeypatch.undo()
    pipe.enable_model_cpu_offload(device="cpu")
    try:
        assert movable(pipe)
    finally:
        pipe.remove_all_hooks()


def test_bad_amounts_and_loops_of_ones_own_are_refused(family):
    one = family("sd15")
    with pytest.raises(AmountError):
        apply(one.pipe, "fora:2", memory="plenty")
    with apply(one.pipe, "fora:2", memory="1GB") as handle, pytest.raises(PipelineError, match="plan"):
        handle.generation()
