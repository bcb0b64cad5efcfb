"""Offloadings that take the place of others on components that pipelines share, and what is there when they end.

The CPU stands for a device: all is as on another, but for where weights lie.
"""

from __future__ import annotations

import gc
import itertools
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from evocache import apply
from evocache.errors import GenerationError
from evocache.memory.offload.packed_weights import Packed
from evocache.memory.offload.shared_offload import offloads_of
from evocache.memory.planner.planner import MemoryPlan
from tests.memory.offload.own_components import with_own
from tests.runtime.stepped import COPIES, FIRST, SECOND, generate, nothing_stays, stepped
from tests.tiny import FAMILIES

STAGES = {"text_encoder": ("encode",), "unet": ("denoise",), "vae": ("decode",)}
VAE = {"vae": ("decode",)}


@pytest.fixture(scope="module")
def pipe() -> Any:
    """Its scheduler keeps nothing between steps, so that calls of as many steps may share it."""
    return FAMILIES["sd15"].build()


@pytest.fixture(autouse=True)
def clean(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing stays on the pipeline; the CPU stands for a device."""
    monkeypatch.setattr(sys.modules["evocache.runtime.apply"], "_movable", lambda pipe, plan: None)
    with nothing_stays(pipe):
        yield


def test_another_offloading_takes_the_place_until_the_next_call(pipe):
    """What another handle keeps is there again at its next call; nothing stays of either in the end."""
    twin = COPIES["a shallow copy"](pipe)
    expected = [generate(pipe, **FIRST), generate(pipe, **SECOND)]
    with apply(pipe, "none", memory=MemoryPlan(None, {}, offload=STAGES)):
        with apply(twin, "none", memory=MemoryPlan(None, {}, offload=VAE)):
            (offload,) = offloads_of(pipe)
            assert list(offload.stages) == ["vae"]
            assert not {"forward", "_hf_hook"} & pipe.unet.__dict__.keys()
            for _ in range(2):
                assert np.array_equal(generate(twin, **SECOND), expected[1])
                assert [list(one.stages) for one in offloads_of(pipe)] == [["vae"]]
                assert np.array_equal(generate(pipe, **FIRST), expected[0])
                (offload,) = offloads_of(twin)
                assert offload.stages == STAGES
                assert offload.there == ()
            assert np.array_equal(generate(twin, **SECOND), expected[1])
        assert np.array_equal(generate(pipe, **FIRST), expected[0])
        assert [one.stages for one in offloads_of(pipe)] == [STAGES]
    assert offloads_of(pipe) == []


def offloaded_in_the_denoiser(pipe: Any, **call: Any) -> list[Any]:
    """The stages of the components that are offloaded while a call denoises."""
    seen: list[Any] = []

    def look(*_: Any) -> None:
        seen.append([one.stages for one in offloads_of(pipe)])

    hook = pipe.unet.register_forward_pre_hook(look)
    try:
        generate(pipe, **call)
    finally:
        hook.remove()
    found: list[Any] = seen[0]
    return found


@pytest.mark.parametrize("way", ["by another plan in between", "by another handle"])
def test_a_plan_that_lost_its_place_is_followed_when_it_is_given_again(pipe, way):
    """Another handle's offloading is there; that of the former plan has ended, and is not taken for the new one."""
    twin, plan = COPIES["a shallow copy"](pipe), MemoryPlan(None, {}, offload=STAGES)
    one = apply(pipe, "none", memory=plan)
    with apply(twin, "none", memory=MemoryPlan(None, {}, offload=VAE)):
        if way == "by another plan in between":
            one.memory = None
            generate(pipe, **FIRST)
            one.memory = plan
        else:
            one.remove()
            one = apply(pipe, "none", memory=plan)
            assert [found.stages for found in offloads_of(pipe)] == [STAGES]
        for _ in range(2):
            assert offloaded_in_the_denoiser(pipe, **FIRST) == [STAGES]
        one.remove()
        assert offloads_of(pipe) == []
        assert offloaded_in_the_denoiser(twin, **SECOND) == [VAE]
    assert offloads_of(pipe) == []


def test_nothing_is_packed_under_a_call_that_began_without_it(pipe):
    """Another handle's offloading took the place of one that a third pipeline shares, and ends while its call is open.

    What it took the place of does not come back before that call is over, and is refused until then.
    """
    second, third = with_own(pipe, "vae", "text_encoder"), with_own(pipe, "unet", "text_encoder")
    expected = [generate(third, **FIRST), generate(pipe, **SECOND)]
    with apply(pipe, "none", memory=MemoryPlan(None, {}, offload=STAGES)), apply(third, "none"):
        other = apply(second, "none", memory=MemoryPlan(None, {}, offload={"unet": ("denoise",)}))
        assert offloads_of(third) == []
        call = stepped(third, **FIRST)
        next(call)
        before = pipe.vae.encoder.conv_in.weight.data_ptr()
        other.remove()
        assert offloads_of(third) == []
        assert pipe.vae.encoder.conv_in.weight.data_ptr() == before
        with pytest.raises(GenerationError, match="wait until the others have ended"):
            generate(pipe, **SECOND)
        assert np.array_equal(call.finish(), expected[0])
        assert np.array_equal(generate(pipe, **SECOND), expected[1])
        assert [one.stages for one in offloads_of(third)] == [STAGES]


@pytest.mark.parametrize("replaced", [True, False])
def test_components_of_a_pipeline_that_is_dropped_go_although_another_shares_some(pipe, replaced):
    """Be they offloaded together with those that are shared, or were so until another plan took the place."""
    dropped = with_own(pipe, "vae", "text_encoder")
    handle = apply(dropped, "none", memory=MemoryPlan(None, {}, offload=STAGES))
    with apply(pipe, "none", memory=MemoryPlan(None, {}, offload={"unet": ("denoise",)}) if replaced else None):
        own = weakref.ref(dropped.text_encoder)
        (offload,) = offloads_of(pipe)
        del dropped, handle
        gc.collect()
        assert own() is None
        assert ("unet" in offload.stages) == hasattr(pipe.unet, "_hf_hook")
        generate(pipe, **FIRST)
    assert offloads_of(pipe) == []


def fail_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """From now on, the device has too little memory for what comes back as the so manieth."""
    real, calls = Packed.unpack, itertools.count(1)

    def unpack(packed: Packed) -> None:
        if next(calls) == number:
            raise torch.OutOfMemoryError("the device has too little memory")
        real(packed)

    monkeypatch.setattr(Packed, "unpack", unpack)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_offload_that_cannot_end_stays_in_its_place(pipe, monkeypatch, number):
    """Where a component cannot be on the device, all stay away: for a call of another plan, and where none is kept."""
    twin = COPIES["a shallow copy"](pipe)
    expected = generate(pipe, **FIRST)
    with apply(pipe, "none", memory=MemoryPlan(None, {}, offload=STAGES)) as handle, apply(twin, "none") as other:
        (offload,) = offloads_of(pipe)
        with monkeypatch.context() as patch:
            fail_at(patch, number)
            other.memory = MemoryPlan(None, {}, offload=VAE)
            with pytest.raises(torch.OutOfMemoryError):
                generate(twin, **SECOND)
        assert all(hasattr(getattr(pipe, name), "_hf_hook") for name in STAGES)
        assert offloaded_in_the_denoiser(pipe, **FIRST) == [STAGES]
        assert offloads_of(pipe) == [offload]
        other.memory = None
        with monkeypatch.context() as patch:
            fail_at(patch, number)
            with pytest.raises(torch.OutOfMemoryError):
                handle.remove()
        assert all(hasattr(getattr(pipe, name), "_hf_hook") for name in STAGES)
        assert np.array_equal(generate(twin, **FIRST), expected)
        assert offloads_of(pipe) == []


def test_what_lost_its_place_and_is_not_kept_any_longer_does_not_come_back(pipe):
    twin = COPIES["a shallow copy"](pipe)
    one = apply(pipe, "none", memory=MemoryPlan(None, {}, offload=STAGES))
    other = apply(twin, "none", memory=MemoryPlan(None, {}, offload=VAE))
    expected = generate(twin, **SECOND)
    one.remove()
    assert list(offloads_of(twin)[0].stages) == ["vae"]
    other.remove()
    assert offloads_of(pipe) == []
    assert np.array_equal(generate(pipe, **SECOND), expected)


def test_an_offload_that_cannot_be_built_leaves_nothing(pipe, monkeypatch):
    """Where no pinned memory is left for the second component, the first is as it was."""
    from evocache.memory.offload import stage_offload

    built = []

    class Fails(stage_offload.Packed):
        def __init__(self, module: Any, device: torch.device) -> None:
            if built:
                raise RuntimeError("no pinned memory is left")
            super().__init__(module, device)
            built.append(module)

    monkeypatch.setattr(stage_offload, "Packed", Fails)
    expected = {name: value.clone() for name, value in pipe.text_encoder.state_dict().items()}
    with pytest.raises(RuntimeError, match="pinned"):
        apply(pipe, "none", memory=MemoryPlan(None, {}, offload=STAGES))
    assert len(built) == 1
    assert not any(hasattr(getattr(pipe, name), "_hf_hook") for name in STAGES)
    now = built[0].state_dict()
    if built[0] is pipe.text_encoder:
        assert all(torch.equal(now[name], value) for name, value in expected.items())


def test_an_offload_that_cannot_be_built_leaves_the_one_before_in_its_place(pipe, monkeypatch):
    from evocache.memory.offload import stage_offload

    twin, packed = COPIES["a shallow copy"](pipe), stage_offload.Packed
    expected = generate(pipe, **FIRST)
    with apply(pipe, "none", memory=MemoryPlan(None, {}, offload=STAGES)), apply(twin, "none") as other:
        (offload,) = offloads_of(pipe)
        built: list[Any] = []

        def fail_once(*args: Any) -> Any:
            built.append(args)
            if len(built) == 1:
                raise RuntimeError("no pinned memory is left")
            return packed(*args)

        monkeypatch.setattr(stage_offload, "Packed", fail_once)
        other.memory = MemoryPlan(None, {}, offload=VAE)
        with pytest.raises(RuntimeError, match="pinned"):
            generate(twin, **SECOND)
        assert offloads_of(pipe) == [offload]
        assert len(built) == 1 + len(STAGES)
        assert np.array_equal(generate(pipe, **FIRST), expected)
        assert offload.there == ()
