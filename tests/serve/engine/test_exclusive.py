"""Who changes what others use has the engine to itself meanwhile, and what it leaves changed is given back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import peft
import pytest
import torch
from accelerate.hooks import CpuOffload, add_hook_to_module
from diffusers import TextToVideoZeroPipeline

from evocache.errors import GenerationError, PipelineError
from evocache.serve.engine.engine import Engine
from tests.pipelines.stable_diffusion import image_encoder, with_ip_adapter
from tests.serve.calls import difference
from tests.tiny import FAMILIES
from tests.tiny.arguments import arguments
from tests.tiny.base import picture

SD15 = FAMILIES["sd15"]
ALONE = "had the engine to itself"


@pytest.fixture
def pipe() -> Any:
    return SD15.build()


def asked(pipe: Any, seed: int = 0, steps: int = 4, **more: Any) -> dict[str, Any]:
    return {**arguments(SD15, pipe, seed=seed, steps=steps), **more}


def at_step(number: int, act: Callable[[Any], object]) -> Callable[..., Any]:
    """A callback that does something with the pipeline at the end of a step."""

    def callback(own: Any, step: int, timestep: Any, tensors: Any) -> Any:
        if step == number:
            act(own)
        return tensors

    return callback


def company(
    pipes: dict[str, Any], odd: dict[str, Any], plain: dict[str, Any], model: str = "m"
) -> tuple[Any, Any, Any]:
    """Run two plain requests and an odd one at a time; return the jobs, the odd one in the middle."""
    with Engine(pipes) as engine:
        jobs = [engine.submit(**plain), engine.submit(model=model, **odd), engine.submit(**plain)]
        for job in jobs:
            job._ended.wait(200)
    return jobs


def no_generator(given: dict[str, Any]) -> dict[str, Any]:
    """Arguments that are given a seed instead of a generator, so that they can be used twice."""
    return {**given, "generator": None, "seed": 3}


def alone(pipe: Any, given: dict[str, Any]) -> Any:
    with Engine({"m": pipe}) as engine:
        return engine.submit(**given).result(200)


CHANGES: dict[str, Callable[[Any], object]] = {
    "config": lambda own: own.unet.register_to_config(center_input_sample=True),
    "an entry of the config": lambda own: setattr(own.unet.config, "center_input_sample", True),
    "flags": lambda own: own.vae.enable_tiling(),
    "FreeU": lambda own: own.enable_freeu(0.9, 0.2, 1.2, 1.4),
    "types": lambda own: own.vae.to(torch.bfloat16).to(torch.float32),
}


@pytest.mark.parametrize("step", [0, 3])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_in_a_callback_is_the_request_s_own(pipe: Any, change: str, step: int) -> None:
    """In the middle, and at the last step, from where on nothing but the decoder is handed over."""
    plain, reference = no_generator(asked(pipe, seed=1, steps=5)), SD15.build()
    expected = alone(reference, plain)
    odd = no_generator(asked(pipe, callback_on_step_end=at_step(step, CHANGES[change])))
    reference.vae.to(torch.float32)
    expected_odd = reference(**{k: v for k, v in asked(reference, seed=0).items() if k != "generator"}, **_drawn(odd))
    one, other, third = company({"m": pipe}, odd, plain)
    assert ALONE in other.notes[0]
    assert not one.notes
    assert not third.notes
    assert difference(expected, one.result()) < 1e-5
    assert difference(expected, third.result()) < 1e-5
    assert difference(expected_odd, other.result()) < 1e-5
    assert difference(expected, alone(pipe, plain)) < 1e-5  # the pipeline is what it was


def _drawn(odd: dict[str, Any]) -> dict[str, Any]:
    """What a plain call is given to draw what a request of seed 3 draws."""
    torch.manual_seed(3)
    return {"callback_on_step_end": odd["callback_on_step_end"]}


@pytest.mark.parametrize("how", ["ends", "raises", "cancelled"])
def test_what_is_left_changed_is_given_back_however_it_ends(pipe: Any, how: str) -> None:
    plain = no_generator(asked(pipe, seed=1, steps=6))
    expected = alone(pipe, plain)
    processors = list(pipe.unet.attn_processors.values())
    jobs: list[Any] = []

    def act(own: Any) -> None:
        own.unet.set_attention_slice(1)
        own.unet.conv_in.weight.data = own.unet.conv_in.weight.data * 2
        if how == "raises":
            raise KeyError("mine")
        if how == "cancelled":
            jobs[0].cancel()

    with Engine({"m": pipe}) as engine:
        jobs.append(engine.submit(**no_generator(asked(pipe, steps=4, callback_on_step_end=at_step(3, act)))))
        others = [engine.submit(**plain) for _ in range(2)]
        assert all(difference(expected, other.result(200)) < 1e-5 for other in others)
        jobs[0]._ended.wait(200)
    assert jobs[0].state == {"ends": "done", "raises": "failed", "cancelled": "cancelled"}[how]
    assert list(pipe.unet.attn_processors.values()) == processors
    assert not any(other.notes for other in others)


def test_who_depends_on_weights_that_are_lost_fails(pipe: Any) -> None:
    def act(own: Any) -> None:
        with torch.no_grad():
            own.unet.conv_in.weight.add_(1)

    plain = no_generator(asked(pipe, seed=1, steps=40))
    with Engine({"m": pipe}) as engine:
        long = engine.submit(**plain)
        odd = engine.submit(**no_generator(asked(pipe, steps=2, callback_on_step_end=at_step(0, act))))
        assert odd.result(100)
        with pytest.raises(GenerationError, match=r"unet\.conv_in\.weight"):
            long.result(100)
        after = engine.submit(**no_generator(asked(pipe, seed=1))).result(100)
    assert "left changed" in odd.notes[-1]
    assert difference(alone(pipe, no_generator(asked(pipe, seed=1))), after) < 1e-5


@pytest.mark.filterwarnings("ignore:.*upcast_vae:FutureWarning")
def test_an_autoencoder_that_decodes_in_float32() -> None:
    """Stable Diffusion XL in half precision has its autoencoder be float32 for the time of decoding."""
    tiny = FAMILIES["sdxl"]
    pipe = tiny.build().to(torch.float16)
    pipe.vae.register_to_config(force_upcast=True)
    one, other, third = company(
        {"m": pipe},
        no_generator(arguments(tiny, pipe, steps=2)),
        no_generator({**arguments(tiny, pipe, steps=3, seed=1), "output_type": "latent"}),
    )
    assert other.result()
    assert ALONE in other.notes[0]
    assert not one.notes
    assert not third.notes
    assert {weight.dtype for weight in pipe.vae.parameters()} == {torch.float16}


def test_scales_of_an_ip_adapter_and_of_a_lora() -> None:
    base = SD15.build()
    pipe = type(base)(**{**base.components, **image_encoder()}, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    torch.manual_seed(0)
    with_ip_adapter(pipe)
    config = peft.LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    pipe.text_encoder.add_adapter(config)
    unet = peft.LoraConfig(r=2, lora_alpha=4, target_modules=["to_q"], init_lora_weights=False)
    pipe.unet.add_adapter(unet)
    plain = no_generator(asked(pipe, seed=1, steps=5, ip_adapter_image=picture()))
    scaled = no_generator(
        asked(
            pipe,
            cross_attention_kwargs={"scale": 0.5},
            callback_on_step_end=at_step(1, lambda own: own.set_ip_adapter_scale(0.1)),
            ip_adapter_image=picture(),
        )
    )
    expected = alone(pipe, plain)
    expected_scaled = alone(pipe, scaled)
    assert difference(expected, alone(pipe, plain)) < 1e-5
    one, other, third = company({"m": pipe}, scaled, plain)
    assert ALONE in other.notes[0]
    assert difference(expected, one.result()) < 1e-5
    assert difference(expected, third.result()) < 1e-5
    assert difference(expected_scaled, other.result()) < 1e-5
    unscaled = {**scaled, "cross_attention_kwargs": None, "callback_on_step_end": None}
    assert difference(expected_scaled, alone(pipe, unscaled)) > 1e-3


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_text_to_video_zero(pipe: Any) -> None:
    """It puts processors on the U-Net in its call that let frames attend to the first."""
    parts = {name: part for name, part in pipe.components.items() if name != "image_encoder"}
    zero = TextToVideoZeroPipeline(**parts, requires_safety_checker=False)
    zero.set_progress_bar_config(disable=True)
    given = {"prompt": "a red fox", "video_length": 2, "num_inference_steps": 4, "t0": 1, "t1": 2, "seed": 3}
    given |= {"height": 32, "width": 32, "output_type": "np"}
    plain = no_generator(asked(pipe, seed=1, steps=5))
    expected = alone(pipe, plain), alone(zero, given)
    one, other, third = company({"m": pipe, "zero": zero}, given, plain, model="zero")
    assert ALONE in other.notes[0]
    assert difference(expected[0], one.result()) < 1e-5
    assert difference(expected[1], other.result()) < 1e-5
    assert difference(expected[0], third.result()) < 1e-5


def test_offloading_is_refused_whenever_it_comes(pipe: Any) -> None:
    with Engine({"m": pipe}) as engine:
        assert engine.submit(**asked(pipe, steps=1)).result(60)
        add_hook_to_module(pipe.unet, CpuOffload("cpu"))
        with pytest.raises(PipelineError, match="remove_all_hooks"):
            engine.submit(**asked(pipe, steps=1)).result(60)
    with pytest.raises(PipelineError, match="offloaded"):
        Engine({"m": pipe})


def test_what_its_user_changes_between_requests_is_what_later_ones_have(pipe: Any) -> None:
    given = no_generator(asked(pipe))
    with Engine({"m": pipe}) as engine:
        before = engine.submit(**given).result(60)
        pipe.unet.add_adapter(peft.LoraConfig(r=2, target_modules=["to_q"], init_lora_weights=False))
        job = engine.submit(**given)
        assert difference(before, job.result(60)) > 1e-4
    assert not job.notes
    assert hasattr(pipe.unet, "peft_config")
