"""Outside of what a point was evolved at a call warns, and says what differs; inside it does not."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import EulerDiscreteScheduler

from evocache import apply
from evocache.errors import ContextError
from evocache.model import discover
from evocache.policies import parse
from evocache.runtime import context_of
from evocache.runtime.call_context import weights_of
from evocache.schedule.front.context import STEPS, Context
from evocache.schedule.front.front import Front
from evocache.schedule.front.point import Point
from tests.tiny import FAMILIES

CALL = {
    "prompt": "a cat",
    "num_inference_steps": 2,
    "guidance_scale": 2.5,
    "height": 32,
    "width": 32,
    "use_resolution_binning": False,
    "clean_caption": False,
    "max_sequence_length": 16,
    "output_type": "latent",
}


@pytest.fixture(scope="module")
def pipe() -> Any:
    return FAMILIES["pixart"].build()


def evolved(pipe: Any, **call: Any) -> Point:
    """A point as `evolve` makes it for such a call."""
    schedule = parse("fora:2").schedule(discover(pipe).tree, 2)
    context = context_of(pipe, **{**CALL, **call}).but(**{STEPS: 2})
    return Point(schedule, {}, {"speedup": 2.0, "quality": 30.0}, steps=2, context=context)


@contextmanager
def told(*words: str) -> Iterator[None]:
    """Within the context, there is one warning with these words, in this file; none without."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield
    mine = [w for w in found if "outside of what the point was evolved at" in str(w.message)]
    assert len(mine) == bool(words), [str(w.message) for w in mine]
    for warning in mine:
        assert warning.filename == __file__
        assert all(word in str(warning.message) for word in words), warning.message


def test_a_call_as_it_was_evolved_is_silent(pipe: Any) -> None:
    with apply(pipe, evolved(pipe)) as handle:
        with told():
            pipe(**CALL)
            pipe(**{**CALL, "prompt": ["a dog", "two birds"]})  # new subjects change nothing
        left = {name: value for name, value in CALL.items() if name not in ("num_inference_steps",)}
        with told():
            pipe(**left)  # it is given the point's own number of steps
        assert handle.stats.schedule.steps == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"guidance_scale": 5}, ("guidance_scale 5 (evolved at 2.5)",)),
        ({"guidance_scale": 1.0}, ("guidance_scale 1 (evolved at 2.5)",)),
        ({"num_inference_steps": 3}, ("num_inference_steps 3 (evolved at 2)",)),
        ({"height": 64, "width": 64}, ("height 64 (evolved at 32)", "width 64")),
        ({"guidance_scale": 7.0, "height": 64}, ("guidance_scale 7", "height 64")),
    ],
)
def test_another_call_is_told_of(pipe: Any, change: dict[str, Any], words: tuple[str, ...]) -> None:
    with apply(pipe, evolved(pipe)), told(*words):
        pipe(**{**CALL, **change})


def test_timesteps_of_one_s_own_are_no_number_of_steps(pipe: Any) -> None:
    own = evolved(pipe).context
    assert own is not None
    (found,) = own.differences(context_of(pipe, **CALL, timesteps=[900, 100]))
    assert str(found) == "num_inference_steps timesteps of its own (evolved at 2)"


def test_an_argument_that_is_left_out_is_the_pipeline_s_own(pipe: Any) -> None:
    open_ = {name: value for name, value in CALL.items() if name not in ("guidance_scale", "height", "width")}
    with apply(pipe, evolved(pipe)), told("guidance_scale 4.5 (evolved at 2.5)"):  # and the size is the usual one
        pipe(**open_)
    with apply(pipe, evolved(pipe, guidance_scale=4.5)), told():
        pipe(**open_)


def test_another_solver_is_told_of_and_so_are_its_settings(pipe: Any) -> None:
    own, before = evolved(pipe), pipe.scheduler
    try:
        with apply(pipe, own):
            pipe.scheduler = EulerDiscreteScheduler.from_config(before.config)
            with told("solver EulerDiscreteScheduler", f"evolved at {type(before).__name__}"):
                pipe(**CALL)
            pipe.scheduler = type(before).from_config(before.config, use_karras_sigmas=True)
            with told(f"solver {type(before).__name__}"):
                pipe(**CALL)
            pipe.scheduler = type(before).from_config(before.config)
            with told():
                pipe(**CALL)
    finally:
        pipe.scheduler = before


def test_another_type_and_other_weights_are_told_of() -> None:
    pipe = FAMILIES["pixart"].build()
    own = evolved(pipe)
    other = FAMILIES["pixart"].build()
    with torch.no_grad():
        for parameter in other.transformer.parameters():
            parameter.mul_(1.5)
    with told("weights"):
        apply(other, own).remove()
    pipe.transformer.to(torch.bfloat16)
    pipe.text_encoder.to(torch.bfloat16)
    with told():
        handle = apply(pipe, own)  # the same weights, rounded
    with handle, told("dtype bfloat16 (evolved at float32)"):
        pipe(**CALL)


def test_adapters_are_told_of_when_they_come_and_when_they_are_weighted() -> None:
    peft = pytest.importorskip("peft")
    pipe = FAMILIES["flux"].build()
    call = {"prompt": "a cat", "num_inference_steps": 2, "height": 32, "width": 32, "output_type": "latent"}
    schedule = parse("fora:2").schedule(discover(pipe).tree, 2)
    own = Point(schedule, {}, context=context_of(pipe, **call))
    config = peft.LoraConfig(r=2, lora_alpha=4, target_modules=["to_q"], init_lora_weights=False)
    pipe.transformer.add_adapter(config, adapter_name="style")
    assert own.context is not None
    assert weights_of([pipe.transformer]) == own.context.values["weights"]  # an adapter has a name of its own
    with apply(pipe, own):
        with told("adapters style 2 (evolved at none)"):
            pipe(**call)
        pipe.transformer.disable_adapters()
        with told():
            pipe(**call)
        pipe.transformer.enable_adapters()
    with apply(pipe, replace(own, context=context_of(pipe, **call))):
        with told():
            pipe(**call)
        pipe.transformer.set_adapters(["style"], [0.5])
        with told("adapters style 1 (evolved at style 2)"):
            pipe(**call)


def test_adapters_that_were_fused_and_unloaded_are_told_of() -> None:
    """Nothing is left of them but other weights, in the very modules that were there before."""
    peft = pytest.importorskip("peft")
    pipe = FAMILIES["flux"].build()
    call = {"prompt": "a cat", "num_inference_steps": 2, "height": 32, "width": 32, "output_type": "latent"}
    schedule = parse("fora:2").schedule(discover(pipe).tree, 2)
    own = Point(schedule, {}, context=context_of(pipe, **call))
    config = peft.LoraConfig(r=2, lora_alpha=4, target_modules=["to_q"], init_lora_weights=False)
    with apply(pipe, own) as handle:
        with told():
            pipe(**call)
        modules = list(pipe.transformer.modules())
        pipe.transformer.add_adapter(config, adapter_name="style")
        pipe.transformer.fuse_lora()
        with told("adapters style 2 (evolved at none)", "weights "):
            pipe(**call)
        pipe.transformer.unload_lora()
        assert list(pipe.transformer.modules()) == modules
        for _ in range(2):
            with told("weights "):
                pipe(**call)
        assert "adapters" not in handle.stats.warnings[0]


def test_a_loop_of_one_s_own_is_told_of_what_the_pipeline_tells(pipe: Any) -> None:
    own, before = evolved(pipe), pipe.scheduler

    def loop(handle: Any, **about: Any) -> None:
        with handle.generation(**about):
            type(pipe).__mro__[1].__call__(pipe, **{**CALL, "guidance_scale": 9.0})

    with apply(pipe, own) as handle:
        with told():
            loop(handle)  # nobody knows of its guidance
        with told("num_inference_steps 3 (evolved at 2)"):
            loop(handle, steps=3)
        pipe.scheduler = EulerDiscreteScheduler()
        try:
            with told("solver EulerDiscreteScheduler"):
                loop(handle)
            assert "solver" in handle.stats.warnings[0]
        finally:
            pipe.scheduler = before


def test_a_point_without_a_context_is_silent_as_before(pipe: Any) -> None:
    with apply(pipe, replace(evolved(pipe), context=None)), told():
        pipe(**{**CALL, "guidance_scale": 9.0})
    with apply(pipe, evolved(pipe).schedule), told():
        pipe(**{**CALL, "guidance_scale": 9.0})


def test_the_context_of_a_call_is_what_pick_is_given(pipe: Any) -> None:
    front = Front((evolved(pipe),))
    open_ = {name: value for name, value in CALL.items() if name != "num_inference_steps"}
    assert STEPS not in context_of(pipe, **open_).values  # the point brings its own
    assert front.pick(speedup=1, context=context_of(pipe, **open_)) == front[0]
    assert front.pick(speedup=1, context=context_of(pipe, **CALL)) == front[0]
    with apply(pipe, front[0]):  # accelerated or not
        assert context_of(pipe, **CALL) == context_of(pipe, **CALL)
        assert front.pick(speedup=1, context=context_of(pipe, **CALL)) == front[0]
    with pytest.raises(ContextError, match="guidance_scale 5"):
        front.pick(speedup=1, context=context_of(pipe, **{**CALL, "guidance_scale": 5.0}))
    with pytest.raises(ContextError, match="num_inference_steps 3"):
        front.pick(speedup=1, context=context_of(pipe, **{**CALL, "num_inference_steps": 3}))


def test_all_guidance_scales_and_numbers_that_matter_are_known() -> None:
    flux, video = FAMILIES["flux"].build(), FAMILIES["animatediff"].build()
    found = context_of(flux, "a cat", guidance_scale=3.0, true_cfg_scale=2.0).values
    assert (found["guidance_scale"], found["true_cfg_scale"]) == (3.0, 2.0)
    assert found["height"] == found["width"] == flux.default_sample_size * flux.vae_scale_factor
    assert context_of(video, "a cat", num_frames=5).values["num_frames"] == 5
    assert isinstance(context_of(video, "a cat"), Context)
