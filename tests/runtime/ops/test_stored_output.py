"""Features stored in a smaller type: what that saves to the byte, and by how much it changes the output."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
import torch

from evocache import apply
from evocache.errors import PolicyError
from evocache.memory import Tape
from evocache.memory.planner.planner import MemoryPlan
from evocache.memory.quantization import CODINGS, decode, encode, error
from evocache.policies import parse
from evocache.schedule import deep_id, liveness, uniform
from tests.runtime.byhand import replaced, stepping
from tests.runtime.estimate.test_dry_run import given
from tests.runtime.support import counted, random_schedule, suits
from tests.tiny import KIND_OF

SMALLER = CODINGS[1:]
STEPS = 6


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Norm of the difference / norm of the second."""
    return float(np.linalg.norm(a.astype(np.float64) - b) / np.linalg.norm(b.astype(np.float64)))


@pytest.mark.table("name", family=KIND_OF.get)
@pytest.mark.parametrize("storage", SMALLER)
@pytest.mark.parametrize("name", ["sd15", "pixart", "flux", "wan", "animatediff", "hunyuan_video"])
def test_bytes_are_those_that_are_predicted(family, name, storage):
    one = family(name)
    programs = {spec: parse(spec) for spec in ("fora:2", "taylorseer:2,1", "steps:0,2", "deepcache:2")}
    for spec, policy in programs.items():
        if not suits(spec, one.model.tree):
            continue
        with apply(one.pipe, spec) as handle:
            one.call()
            plain = handle.stats
        with apply(one.pipe, spec, storage=storage) as handle:
            output = one.call()
            coded = handle.stats
        assert coded.executed == plain.executed == one.expected(policy.schedule)
        assert 0 < coded.peak_cached_bytes == coded.predicted_peak_bytes < plain.peak_cached_bytes
        assert coded.cached_bytes == 0
        assert np.isfinite(output).all()
    assert np.array_equal(one.call(), one.reference)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("storage", SMALLER)
@pytest.mark.parametrize("name", ["pixart", "sd3"])
def test_bytes_are_those_that_are_predicted_for_any_schedule(family, name, storage, seed):
    one = family(name)
    with apply(one.pipe, random_schedule(one.model.tree, 4, seed), storage=storage) as handle:
        one.call()
    assert 0 < handle.stats.peak_cached_bytes == handle.stats.predicted_peak_bytes


@pytest.mark.parametrize("name", ["sd15", "pixart"])
def test_bytes_fall_to_their_share(family, name):
    """By hooks: shapes of what every stored leaf returns, all of which are held at once after the first step."""
    one = family(name)
    (denoiser,) = one.model.denoisers
    shapes: dict[str, tuple[int, ...]] = {}
    schedule = parse("fora:2").schedule(one.model.tree, 4)
    stored = {schedule.components[value.component].id for value in liveness.find_values(schedule)}
    hooks = [
        denoiser.modules[id].register_forward_hook(lambda m, a, o, id=id: shapes.update({id: tuple(o.shape)}))
        for id in stored
    ]
    one.call()
    for hook in hooks:
        hook.remove()
    values = sum(map(prod, shapes.values()))
    channels = sum(shape[-1 if len(shape) < 4 else 1] for shape in shapes.values())
    expected = {
        "none": 4 * values,
        "bf16": 2 * values,
        "fp8": values + 4 * len(shapes),
        "int8": values + 4 * channels,
    }
    for storage in CODINGS:
        with apply(one.pipe, schedule, storage=storage) as handle:
            one.call()
        assert handle.stats.peak_cached_bytes == expected[storage]


@pytest.mark.parametrize("name", ["sd15", "pixart"])
def test_the_error_that_each_coding_makes(family, name):
    """Of single features, and of the final latents, where it stays below what caching itself changes."""
    one = family(name)
    (denoiser,) = one.model.denoisers
    leaves = [one.model.tree.components[i] for i in one.model.tree.leaves]
    features: list[torch.Tensor] = []
    hooks = [denoiser.modules[leaf.id].register_forward_hook(lambda m, a, o: features.append(o)) for leaf in leaves]
    with apply(one.pipe, "fora:2"):
        plain = one.call(steps=STEPS, output_type="latent")
    for hook in hooks:
        hook.remove()
    worst = {coding: max(error(feature, coding) for feature in features) for coding in CODINGS}
    assert worst["none"] == 0 < worst["bf16"] < 2**-8
    assert worst["bf16"] < worst["int8"] < 0.01 < worst["fp8"] < 2**-4
    off = {}
    for coding in CODINGS:
        with apply(one.pipe, "fora:2", storage=coding):
            off[coding] = difference(one.call(steps=STEPS, output_type="latent"), plain)
    cached = difference(plain, one.call(steps=STEPS, output_type="latent"))
    assert off["none"] == 0 < off["bf16"] < 1e-3
    assert off["bf16"] < off["int8"] < 2e-3
    assert off["int8"] < off["fp8"] < 1e-2
    assert off["fp8"] < cached


@pytest.mark.parametrize("storage", SMALLER)
@pytest.mark.parametrize(
    ("name", "leaf"),
    [
        ("pixart", "transformer/transformer_blocks.1.attn1"),
        ("sd15", "unet/down_blocks.1.resnets.0"),
        ("flux", "transformer/transformer_blocks.1.attn"),  # returns a pair
    ],
)
def test_what_is_reused_is_what_was_coded(family, name, leaf, storage):
    one = family(name)
    (denoiser,) = one.model.denoisers
    module, computed = denoiser.modules[leaf], {0, 1, 3}
    forward, last = module.forward, []

    def by_hand(*args, **kwargs):
        if steps.now in computed:
            last[:] = [forward(*args, **kwargs)]
            return last[0]
        (output,) = last
        outputs = output if isinstance(output, tuple) else (output,)
        back = tuple(decode(encode(t, storage)) for t in outputs)
        return back if isinstance(output, tuple) else back[0]

    with stepping(denoiser.module) as steps, replaced(module, by_hand):
        expected = one.call(steps=STEPS)
    schedule = uniform(one.model.tree, STEPS, [leaf], sorted(computed))
    with apply(one.pipe, schedule, storage=storage):
        assert np.array_equal(one.call(steps=STEPS), expected)
    with apply(one.pipe, schedule):
        assert not np.array_equal(one.call(steps=STEPS), expected)


@pytest.mark.parametrize("how", [{"storage": "none"}, {"memory": MemoryPlan(None, {}, storage="none")}])
@pytest.mark.parametrize("name", ["sd15", "flux"])
def test_without_a_coding_nothing_changes(family, name, how):
    one = family(name)
    with apply(one.pipe, "fora:2") as handle:
        expected, stats = one.call(), handle.stats
    with apply(one.pipe, "fora:2", **how) as handle:
        assert np.array_equal(one.call(), expected)
        assert handle.stats == stats


@pytest.mark.table("name", family=KIND_OF.get)
@pytest.mark.parametrize("storage", CODINGS)
@pytest.mark.parametrize("name", ["sd15", "sd3", "ltx"])
def test_a_plan_knows_what_will_be_held(family, name, storage):
    one = family(name)
    call = given(one)
    with apply(one.pipe, "fora:3", storage=storage) as handle:
        planned = handle.plan(**call)
        one.call()
        (branch,) = handle._latest.record.branches
    assert planned.storage == storage
    assert planned.features[branch.denoiser] == branch.sizes
    assert planned.stages["denoise"].features == handle.stats.peak_cached_bytes > 0


@pytest.mark.parametrize("storage", SMALLER)
@pytest.mark.parametrize("name", ["wan", "sd15"])
def test_codes_are_parked_and_come_back_to_the_bit(family, name, storage):
    one = family(name)
    with apply(one.pipe, "taylorseer:2,1", storage=storage) as handle:
        expected, peak = one.call(), handle.stats.peak_cached_bytes
        branches = handle._latest.record.branches
    features = {branch.denoiser: dict(branch.sizes) for branch in branches}
    plan = MemoryPlan(None, {}, capacity=0, ahead=0, features=features, storage=storage)
    with apply(one.pipe, "taylorseer:2,1", memory=plan) as handle:
        assert np.array_equal(one.call(), expected)
        stats = handle.stats
    assert 0 < stats.peak_cached_bytes < peak
    assert stats.moved_bytes > 0
    if len(branches) == 1:
        sizes = features[branches[0].denoiser]
        tape = Tape.of(branches[0].schedule, sizes, tuple(sizes), 0, 0)
        assert (stats.peak_cached_bytes, stats.moved_bytes) == (tape.peak, tape.moved)


@pytest.mark.parametrize(("share", "parks"), [(1.0, False), (0.4, False), (0.1, True)])
def test_a_budget_is_met_with_the_storage_that_was_asked_for(family, share, parks):
    """int8 takes a quarter and its scales, here a third; what is parked beyond that is codes."""
    one = family("sdxl")
    call = given(one)
    with apply(one.pipe, "fora:2") as handle:
        denoise = handle.plan(**call).stages["denoise"]
    room = int(denoise.features * share)
    with apply(one.pipe, "fora:2", memory=denoise.bytes - denoise.features + room, storage="int8") as handle:
        planned = handle.plan(**call)
        one.call()
    assert handle.memory.storage == planned.storage == "int8"
    assert (planned.capacity is not None, handle.stats.moved_bytes > 0) == (parks, parks)
    assert 0 < handle.stats.peak_cached_bytes == planned.stages["denoise"].features <= room


def test_what_the_host_writes_into_its_features_is_not_seen(family):
    """It is done with the feature by then. Uncoded, the next step would have to compute it again."""
    one = family("flux")
    blocks = one.pipe.transformer.single_transformer_blocks
    leaf = "transformer/single_transformer_blocks.0.proj_out"
    fresh: list[torch.Tensor] = []

    def change(*_):
        while fresh:
            fresh.pop().mul_(1.5)

    schedule = uniform(one.model.tree, 4, [leaf], [0, 2])
    with apply(one.pipe, schedule, storage="int8"):
        expected = one.call()
    hooks = [
        blocks[0].proj_out.register_forward_hook(lambda module, args, output: fresh.append(output)),
        blocks[1].register_forward_pre_hook(change),
    ]
    try:
        with apply(one.pipe, schedule, storage="int8") as handle:
            assert np.array_equal(one.call(), expected)
            assert handle.stats.executed[leaf] == 2
        with apply(one.pipe, schedule) as handle:
            one.call()
            assert handle.stats.executed[leaf] == 3
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("storage", CODINGS)
def test_what_the_host_writes_into_what_it_is_given_is_not_seen(family, storage):
    """FreeU scales, at every step, the one feature that all steps read."""
    one = family("sd15")
    part = deep_id("unet", 7)
    one.pipe.enable_freeu(s1=0.9, s2=0.2, b1=1.4, b2=1.6)
    try:
        with apply(one.pipe, uniform(one.model.tree, STEPS, [part], [0]), storage=storage), counted(one) as ran:
            one.call(steps=STEPS)
    finally:
        one.pipe.disable_freeu()
        for block in one.pipe.unet.up_blocks:
            del block.s1, block.s2, block.b1, block.b2
    assert ran["unet/mid_block.resnets.0"] == 1


@pytest.mark.parametrize("storage", ["bf16", "int8"])
def test_a_loop_of_ones_own_stores_as_asked(family, storage):
    one = family("pixart")
    with apply(one.pipe, "fora:2", storage=storage) as handle:
        one.call()
        peak = handle.stats.peak_cached_bytes
        with handle.generation() as generation:
            assert generation.store.coding == storage
    with apply(one.pipe, "fora:2", memory="100GB", storage=storage) as handle:
        handle.memory = handle.plan(**given(one))
        with handle.generation() as generation:
            assert generation.store.coding == storage
    assert peak > 0


@pytest.mark.parametrize("storage", ["int4", "", "BF16", torch.int8, 8, True])
def test_an_unknown_storage_is_refused(family, storage):
    one = family("pixart")
    before = type(one.pipe), dict(vars(one.pipe))
    with pytest.raises(PolicyError, match="none, bf16, fp8, int8") as caught:
        apply(one.pipe, "fora:2", storage=storage)
    assert repr(storage) in caught.value.given
    assert caught.value.mend
    with pytest.raises(PolicyError):
        MemoryPlan(None, {}, storage=storage)
    assert (type(one.pipe), dict(vars(one.pipe))) == before


def test_a_plan_and_a_storage_must_agree(family):
    one = family("pixart")
    plan = MemoryPlan(None, {}, storage="bf16")
    for storage in (None, "bf16"):
        with apply(one.pipe, "fora:2", memory=plan, storage=storage) as handle:
            one.call()
        assert handle.storage == handle._latest.record.store.coding == "bf16"
    for storage in ("none", "int8"):
        with pytest.raises(PolicyError, match="'bf16'"):
            apply(one.pipe, "fora:2", memory=plan, storage=storage)
