"""Calls that are open at once, of one pipeline or of copies that share its modules, share one offloading.

The CPU stands for a device: all is as on another, but for where weights lie.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from evocache import apply
from evocache.errors import GenerationError, PipelineError
from evocache.memory.offload.shared_offload import offloads_of
from evocache.memory.planner.planner import MemoryPlan
from evocache.runtime.handle import handle_of
from tests.memory.offload.own_components import with_own
from tests.runtime.loops import handed_over, looped
from tests.runtime.stepped import COPIES, FIRST, SECOND, generate, nothing_stays, stepped
from tests.tiny import FAMILIES


@pytest.fixture(scope="module")
def pipe() -> Any:
    """Its scheduler keeps nothing between steps, so that calls of as many steps may share it."""
    return FAMILIES["sd15"].build()


@pytest.fixture(autouse=True)
def clean(pipe: Any) -> Iterator[None]:
    with nothing_stays(pipe):
        yield


STAGES = {"text_encoder": ("encode",), "unet": ("denoise",), "vae": ("decode",)}


@pytest.fixture(autouse=True)
def anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU stands for a device: all is as on another, but for where weights lie."""
    monkeypatch.setattr(sys.modules["evocache.runtime.apply"], "_movable", lambda pipe, plan: None)


@pytest.mark.parametrize("of", COPIES)
def test_calls_share_an_offloading(pipe, of):
    """Weights stay as long as a call is open that is in a stage that needs them, and come back for good in the end."""
    twin = COPIES[of](pipe)
    plan = MemoryPlan(None, {}, offload=STAGES)
    expected = [generate(pipe, **FIRST), generate(pipe, **SECOND)]
    one = apply(pipe, "none", memory=plan)
    other = one if twin is pipe else apply(twin, "none", memory=plan)
    (offload,) = offloads_of(pipe)
    assert offloads_of(twin) == [offload]
    assert offload.there == ()
    calls = [stepped(pipe, **FIRST), stepped(twin, **SECOND)]
    next(calls[0])
    assert offload.there == ("unet",)
    next(calls[1])  # which encoded, while the other denoised
    assert "unet" in offload.there
    next(calls[0])
    assert offload.there == ("unet",)
    assert np.array_equal(calls[0].finish(), expected[0])
    assert "unet" in offload.there  # the other denoises
    assert np.array_equal(calls[1].finish(), expected[1])
    assert offload.there == ()
    one.remove()
    if twin is not pipe:
        assert offloads_of(pipe) == [offload]
        assert np.array_equal(generate(twin, **SECOND), expected[1])
        other.remove()
    assert offloads_of(pipe) == []
    assert np.array_equal(generate(pipe, **FIRST), expected[0])


def test_weights_do_not_leave_under_a_call_in_another_thread(pipe):
    """One copy encodes while the other is in the middle of its denoiser."""
    twin, plan = COPIES["a shallow copy"](pipe), MemoryPlan(None, {}, offload=STAGES)
    expected = generate(pipe, **FIRST)
    inside, go_on, there = threading.Event(), threading.Event(), []
    with apply(pipe, "none", memory=plan), apply(twin, "none", memory=plan) as other:

        def wait(*_: Any) -> None:
            if not inside.is_set():
                inside.set()
                assert go_on.wait(60)
                there.extend(offloads_of(pipe)[0].there)

        hook = pipe.unet.mid_block.register_forward_pre_hook(wait)
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(generate(pipe, **FIRST)))
        thread.start()
        assert inside.wait(60)
        with other.generation(), torch.no_grad():
            twin.text_encoder(torch.zeros(1, 4, dtype=torch.long))
            go_on.set()
            thread.join()
        hook.remove()
    assert set(there) == {"unet", "text_encoder"}
    assert np.array_equal(found[0], expected)


def test_what_only_other_stages_need_leaves_where_an_engine_calls_the_denoiser():
    """Its thread is in no generation; the call that it computes for is in the denoiser's stage all the same."""
    pipe = FAMILIES["pixart"].build()
    stages = {"text_encoder": ("encode",), "transformer": ("denoise",), "vae": ("decode",)}
    expected = [*looped(pipe)]
    with (
        ThreadPoolExecutor(1) as engine,
        apply(pipe, "none", memory=MemoryPlan(None, {}, offload=stages)) as handle,
        handle.generation(),
    ):
        with torch.no_grad():
            pipe.text_encoder(torch.zeros(1, 4, dtype=torch.long))
        (offload,) = offloads_of(pipe)
        assert offload.there == ("text_encoder",)
        for latents, whole in zip(looped(pipe, call=handed_over(pipe.transformer, engine)), expected, strict=True):
            assert offload.there == ("transformer",)
            assert torch.equal(latents, whole)


@pytest.mark.parametrize("of", COPIES)
@pytest.mark.parametrize("first", ["offloaded", "not offloaded"])
def test_a_call_that_needs_another_offloading_is_refused(pipe, of, first):
    """It is told what to do; the one that is open goes on, and when it is over the other is not refused."""
    twin = COPIES[of](pipe)
    plan, other = MemoryPlan(None, {}, offload=STAGES), MemoryPlan(None, {}, offload={"vae": ("decode",)})
    expected = [generate(pipe, **FIRST), generate(pipe, **SECOND)]
    handle = apply(pipe, "none", memory=plan if first == "offloaded" else None)
    call = stepped(pipe, **FIRST)
    next(call)
    if twin is pipe:
        handle.memory, second = other, handle
    else:
        second = apply(twin, "none", memory=other)
    latest = handle._latest
    with pytest.raises(GenerationError, match=r"vae \(decode\).*try: wait until the others have ended"):
        generate(twin, **SECOND)
    with pytest.raises(GenerationError), second.generation():
        raise AssertionError
    assert handle._latest is latest
    assert np.array_equal(call.finish(), expected[0])
    assert np.array_equal(generate(twin, **SECOND), expected[1])
    assert list(offloads_of(twin)[0].stages) == ["vae"]
    handle.remove()
    second.remove()
    assert offloads_of(pipe) == []


def test_a_call_that_needs_no_offloading_runs_under_that_of_another_pipeline(pipe):
    """It is used as it stands, and not torn down: whether nothing else is open, or the other pipeline's call is."""
    twin = COPIES["a shallow copy"](pipe)
    expected = [generate(pipe, **FIRST), generate(pipe, **SECOND)]
    with apply(pipe, "none", memory=MemoryPlan(None, {}, offload=STAGES)):
        (offload,) = offloads_of(pipe)
        with apply(twin, "fora:2") as other:
            assert offloads_of(pipe) == [offload]
            cached = generate(twin, **SECOND)
            assert offloads_of(pipe) == [offload]
            assert offload.there == ()
            assert list(offload.keepers) == [handle_of(pipe)._state]
            call = stepped(pipe, **FIRST)
            next(call)
            beside = stepped(twin, **SECOND)
            next(beside)
            assert np.array_equal(call.finish(), expected[0])
            assert "unet" in offload.there
            assert np.array_equal(beside.finish(), cached)
            assert offload.there == ()
            assert other.stats.executed_fraction < 1
            next(last := stepped(twin, **SECOND))
        assert offloads_of(pipe) == [offload]
    assert offloads_of(pipe) == [offload]  # the twin's call is still open
    assert np.array_equal(last.finish(), cached)
    assert offloads_of(pipe) == []
    assert np.array_equal(generate(pipe, **FIRST), expected[0])


def test_a_handle_whose_next_call_needs_no_offloading_keeps_none(pipe):
    """A later plan of the same handle counts, also where a call under the earlier one is still open."""
    with apply(pipe, "none", memory=MemoryPlan(None, {}, offload=STAGES)) as handle:
        expected = generate(pipe, **FIRST)
        (offload,) = offloads_of(pipe)
        call = stepped(pipe, **FIRST)
        next(call)
        handle.memory = None
        beside = stepped(pipe, **FIRST)
        next(beside)
        assert np.array_equal(call.finish(), expected)
        assert offloads_of(pipe) == [offload]
        assert np.array_equal(beside.finish(), expected)
        assert offloads_of(pipe) == []


def test_a_call_of_a_third_pipeline_counts_although_it_shares_other_components(pipe):
    """Its autoencoder is offloaded together with the denoiser that another pipeline has another plan for."""
    plan = MemoryPlan(None, {}, offload=STAGES)
    third, second = with_own(pipe, "unet", "text_encoder"), with_own(pipe, "vae", "text_encoder")
    expected = [generate(third, **FIRST), generate(second, **SECOND)]
    with apply(pipe, "none", memory=plan), apply(third, "none"), apply(second, "none") as other:
        (offload,) = offloads_of(pipe)
        call = stepped(third, **FIRST)
        next(call)
        other.memory = MemoryPlan(None, {}, offload={"unet": ("denoise",)})
        with pytest.raises(GenerationError, match="wait until the others have ended"):
            generate(second, **SECOND)
        assert offloads_of(third) == offloads_of(pipe) == [offload]
        other.memory = None
        assert np.array_equal(generate(second, **SECOND), expected[1])
        assert offloads_of(third) == [offload]
        assert np.array_equal(call.finish(), expected[0])
        other.memory = MemoryPlan(None, {}, offload={"unet": ("denoise",)})
        assert np.array_equal(generate(second, **SECOND), expected[1])
        assert offloads_of(third) == []
        assert list(offloads_of(pipe)[0].stages) == ["unet"]
    assert offloads_of(pipe) == []


def test_components_that_are_exchanged_meanwhile_are_given_back(pipe):
    """What a call began with is what ends with it, whatever the pipeline has by then."""
    text_encoder, unet = pipe.text_encoder, pipe.unet
    handle = apply(pipe, "none", memory=MemoryPlan(None, {}, offload={"unet": ("denoise",)}))
    (offload,) = offloads_of(pipe)
    copy = FAMILIES["sd15"].build().unet
    pipe.unet = copy
    try:
        handle.remove()
        assert not hasattr(unet, "_hf_hook")
        assert offload.there == ()
        assert not offload.keepers
    finally:
        pipe.unet = unet
    assert pipe.text_encoder is text_encoder


def test_a_plan_of_components_that_are_not_there_is_refused_and_undoes_nothing(pipe):
    before = apply(pipe, "none", memory=MemoryPlan(None, {}, offload={"unet": ("denoise",)}))
    (offload,) = offloads_of(pipe)
    with pytest.raises(PipelineError, match="transformer"):
        apply(pipe, "none", memory=MemoryPlan(None, {}, offload={"transformer": ("denoise",)}))
    assert before.active
    assert offloads_of(pipe) == [offload]
    before.remove()
