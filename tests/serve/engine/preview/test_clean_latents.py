"""A step tells the latents without noise, whichever scheduler made it."""

from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch

from evocache.serve.engine.preview.clean_latents import clean_latents
from evocache.serve.engine.preview.trace import Step

STEPS, AT = 10, 4

SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {"clip_sample": False}),
    "ddpm": ("DDPMScheduler", {"clip_sample": False}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
    "euler": ("EulerDiscreteScheduler", {}),
    "ancestral": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "kdpm2": ("KDPM2DiscreteScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "dpm": ("DPMSolverMultistepScheduler", {}),
    "dpm flow": ("DPMSolverMultistepScheduler", {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}),
    "dpm sde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "dpm single": ("DPMSolverSinglestepScheduler", {"final_sigmas_type": "zero"}),
    "deis": ("DEISMultistepScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "unipc flow": ("UniPCMultistepScheduler", {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}),
    "sa": ("SASolverScheduler", {}),
    "lcm": ("LCMScheduler", {}),
    "tcd": ("TCDScheduler", {}),
    "flow": ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
    "flow heun": ("FlowMatchHeunDiscreteScheduler", {}),
}
"""Schedulers by a name for each, with options."""


def noisy(scheduler: Any, clean: torch.Tensor, noise: torch.Tensor, timestep: Any) -> torch.Tensor:
    if hasattr(scheduler, "scale_noise"):
        return scheduler.scale_noise(clean, timestep[None], noise)
    return scheduler.add_noise(clean, noise, timestep[None])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_model_that_knows_the_noise_is_understood(name: str) -> None:
    kind, options = SCHEDULERS[name]
    scheduler = getattr(diffusers, kind)(**options)
    scheduler.set_timesteps(STEPS)
    draw = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(2, 4, 8, 8, generator=draw) for _ in range(2))
    for timestep in scheduler.timesteps[: AT + 1]:
        sample = noisy(scheduler, clean, noise, timestep)
        scheduler.scale_model_input(sample, timestep) if hasattr(scheduler, "scale_model_input") else None
        flow = "flow" in name
        given = (noise - clean if flow else noise), timestep, sample
        result = scheduler.step(*given, return_dict=False)
    index = getattr(scheduler, "step_index", None)
    step = Step((0, AT), scheduler, given, {"return_dict": False}, result, None if index is None else index - 1)
    found = clean_latents(step)
    before = float((sample - clean).abs().mean())
    after = float((found - clean).abs().mean())
    assert after < 0.1 * before


def test_of_a_scheduler_that_cannot_be_made_anew_the_sample_is_what_it_is() -> None:
    class Odd:
        timesteps = torch.arange(4)

        def step(self, output: Any, timestep: Any, sample: Any) -> Any:
            return (sample - output,)

    sample = torch.ones(1, 4, 8, 8)
    step = Step((0, 0), Odd(), (sample, 1, sample), {}, (sample * 0,), None)
    assert clean_latents(step).equal(sample * 0)


def test_a_preview_has_latents_of_its_own() -> None:
    """Pipelines may write into what they decode, and schedulers into what they step; the job goes on with both."""

    class InPlace(diffusers.EulerDiscreteScheduler):  # type: ignore[misc]
        def step(self, model_output: Any, timestep: Any, sample: Any, **_: Any) -> Any:
            return (sample.sub_(model_output),)

    scheduler: Any = InPlace()
    scheduler.set_timesteps(STEPS)
    given, left = torch.ones(1, 4, 4, 4), torch.zeros(1, 4, 4, 4)
    for repeats in (True, False):
        args = (given.clone(), scheduler.timesteps[AT] if repeats else None, given)
        found = clean_latents(Step((0, AT), scheduler, args, {}, (left,), AT if repeats else None))
        found.add_(7)
        assert given.eq(1).all()
        assert left.eq(0).all()
