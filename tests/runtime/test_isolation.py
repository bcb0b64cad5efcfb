"""Generations, pipelines and threads do not see each other."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel

from evocache import apply
from evocache.policies import parse
from tests.runtime.support import changes, snapshot
from tests.tiny import FAMILIES, share


@pytest.mark.parametrize("name", ["pixart", "sd15", "wan"])
def test_pipelines_that_share_all_but_the_scheduler(family, name):
    one = family(name)
    twin = share(one.pipe)
    call = one.tiny.call
    with apply(twin, "steps:0,2"):
        other = call(twin)
    with apply(one.pipe, "fora:2") as handle:
        cached = call(one.pipe)
        for _ in range(2):
            assert np.array_equal(call(twin), one.reference)
            assert np.array_equal(call(one.pipe), cached)
        with apply(twin, "steps:0,2") as second:
            for _ in range(2):
                assert np.array_equal(call(twin), other)
                assert np.array_equal(call(one.pipe), cached)
            assert second.stats.executed == one.expected(parse("steps:0,2").schedule)
        assert handle.stats.executed == one.expected(parse("fora:2").schedule)
    assert not np.array_equal(cached, other)


def test_pipelines_of_one_class(family):
    one, other = family("pixart"), FAMILIES["pixart"].build()
    with apply(one.pipe, "fora:2"):
        cached = one.call()
        assert np.array_equal(one.tiny.call(other), one.reference)
        assert type(other) is type(one.pipe).__mro__[1]
    with apply(other, "fora:2"):
        assert np.array_equal(one.tiny.call(other), cached)
        assert np.array_equal(one.call(), one.reference)


def test_a_generation_within_a_generation(family):
    """The callback of one accelerated pipeline runs another that shares its modules."""
    one = family("sd15")
    twin = share(one.pipe)
    with apply(one.pipe, "fora:2"):
        expected = one.call()
    with apply(twin, "deepcache:3"):
        inner = one.tiny.call(twin)
    seen = []

    def callback(pipe, step, timestep, tensors):
        if step == 1:
            seen.append(one.tiny.call(twin))
        return tensors

    with apply(one.pipe, "fora:2") as handle, apply(twin, "deepcache:3"):
        assert np.array_equal(one.call(callback_on_step_end=callback), expected)
        assert handle.stats.executed == one.expected(parse("fora:2").schedule)
    with apply(one.pipe, "fora:2"):
        one.call(callback_on_step_end=callback)
    assert np.array_equal(seen[0], inner)
    assert np.array_equal(seen[1], one.reference)


def test_threads(family):
    """Three pipelines on the same modules at once: two schedules and none."""
    one = family("sd15")
    pipes = {"fora:2": one.pipe, "deepcache:2": share(one.pipe), None: share(one.pipe)}
    expected = {None: one.reference}
    for spec in ("fora:2", "deepcache:2"):
        with apply(pipes[spec], spec):
            expected[spec] = one.tiny.call(pipes[spec])
    before = snapshot(one.pipe)
    wrong, start = [], threading.Barrier(3)

    def run(spec):
        start.wait()
        wrong.extend(spec for _ in range(3) if not np.array_equal(one.tiny.call(pipes[spec]), expected[spec]))
        start.wait()

    with apply(one.pipe, "fora:2"), apply(pipes["deepcache:2"], "deepcache:2"):
        threads = [threading.Thread(target=run, args=(spec,)) for spec in pipes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert {key for key in changes(before, snapshot(one.pipe)) if "class" in key or "evocache" in key} == set()


@pytest.mark.parametrize("name", ["pixart", "sd15", "wan", "flux"])
def test_a_generation_sees_nothing_of_those_before(family, name):
    one = family(name)
    shape = {"steps": 3, "seed": 1}
    shapes = [shape, {"steps": 5}, {"guidance": False}, {"height": 48, "width": 64}, {"num_images_per_prompt": 2}]
    if name == "wan":
        shapes[-2:] = [{"num_frames": 5}, {"num_videos_per_prompt": 2}]
    with apply(one.pipe, "fora:2"):
        fresh = one.call()
    for change in shapes:
        with apply(one.pipe, "fora:2"):
            alone = one.call(**change)
        with apply(one.pipe, "fora:2") as handle:
            one.call()
            assert np.array_equal(one.call(**change), alone), change
            steps = change.get("steps", 4)
            computed = handle.stats.executed[one.model.tree.of_kind("feed_forward")[0].id]
            assert computed == (steps + 1) // 2 * (1 if "guidance" in change else one.tiny.calls_per_step)
            assert np.array_equal(one.call(), fresh)


class HaltError(Exception):
    """Raised by a callback."""


@pytest.mark.parametrize("spec", ["fora:3", "deepcache:3", "steps:0,3"])
@pytest.mark.parametrize("error", [HaltError, KeyboardInterrupt])
def test_an_exception_between_steps_leaves_nothing(family, spec, error):
    one = family("sd15")
    before = snapshot(one.pipe)
    held = []

    def callback(pipe, step, timestep, tensors):
        held.append(handle.stats.cached_bytes)
        if step == 1:
            raise error
        return tensors

    with apply(one.pipe, spec) as handle:
        fresh = one.call()
        with pytest.raises(error):
            one.call(callback_on_step_end=callback)
        assert held[0] == held[1] > 0
        assert handle.stats.cached_bytes == len(handle._last.store) == 0
        assert changes(before, snapshot(one.pipe)) & {f"unet{p}" for p in (".__class__", "._evocache_users")} == set()
        assert np.array_equal(one.call(), fresh)
    assert np.array_equal(one.call(), one.reference)


@pytest.mark.parametrize("where", ["block", "leaf", "vae"])
@pytest.mark.parametrize("spec", ["fora:2", "steps:0,2"])
def test_an_exception_within_a_forward_leaves_nothing(family, where, spec):
    one = family("pixart")
    before = snapshot(one.pipe)
    block = one.pipe.transformer.transformer_blocks[2]
    module = {"block": block, "leaf": block.ff, "vae": one.pipe.vae.decoder}[where]
    calls = []

    def halt(*_):
        calls.append(1)
        if len(calls) == 2 or where == "vae":
            raise HaltError

    with apply(one.pipe, spec) as handle:
        fresh = one.call()
        hook = module.register_forward_pre_hook(halt)
        with pytest.raises(HaltError):
            one.call()
        hook.remove()
        assert handle.stats.cached_bytes == len(handle._last.store) == 0
        assert {k for k in changes(before, snapshot(one.pipe)) if "class" in k or "evocache" in k} == {".__class__"}
        assert np.array_equal(one.call(), fresh)
    assert {k for k in changes(before, snapshot(one.pipe)) if "class" in k or "evocache" in k} == set()
    assert type(one.pipe.transformer).__name__ == "PixArtTransformer2DModel"
    assert np.array_equal(one.call(), one.reference)


@pytest.mark.parametrize(
    ("name", "spec"), [("flux", "fora:2"), ("sd15", "deepcache:2"), ("wan", "steps:0,2"), ("pixart", "teacache:0.3")]
)
def test_what_was_generated_is_not_kept(family, name, spec):
    """A handle remembers counts of its last generation, but no tensor of it, however small."""

    def living() -> int:
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    one = family(name)
    with apply(one.pipe, spec) as handle:
        one.tiny.call(one.pipe)
        assert handle.stats.executed_fraction <= 1
    before = living()
    del handle
    assert living() == before


def test_no_class_is_changed(family):
    one = family("sd15")
    classes = [type(one.pipe), UNet2DConditionModel, type(one.pipe.scheduler)]
    before = [dict(vars(cls)) for cls in classes]
    with apply(one.pipe, "deepcache:2"):
        one.call()
    # registering subclasses is all that the interpreter itself does
    assert [dict(vars(cls)) for cls in classes] == before
