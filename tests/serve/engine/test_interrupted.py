"""What a request sets on its pipeline is its own: guidance, steps, interruption; and so is what it draws."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from diffusers import (
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    StableDiffusionInpaintPipeline,
)

from evocache.serve.engine.engine import Engine
from evocache.serve.engine.isolation.own_pipeline import own_pipeline
from tests.serve.calls import difference
from tests.serve.engine.isolation.test_own_pipeline import state_of
from tests.tiny import FAMILIES, FAMILY_OF
from tests.tiny.arguments import arguments
from tests.tiny.base import picture

TWO_STAGES = ("stable_cascade", "kandinsky22")
"""Pipelines whose latents are not all that they return."""

STEPS = {"guided": 4, "unguided": 3, "interrupted": 4}

CLOSE = {"latent": 1e-5, "np": 5e-5}


def following(seen: list[int], interrupts: bool) -> Callable[..., Any]:
    """A callback that notes the steps, and interrupts the pipeline that it is given after the second."""

    def callback(own: Any, step: int, timestep: Any, tensors: Any) -> Any:
        seen.append(step)
        if interrupts and step == 1:
            own._interrupt = True
        return tensors

    return callback


@pytest.mark.filterwarnings("ignore::evocache.errors.EvocacheWarning")
@pytest.mark.table("name", family=FAMILY_OF.get)
@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_requests_of_different_guidance_steps_and_interruption(name: str) -> None:
    tiny, pipe = FAMILIES[name], FAMILIES[name].build()
    follows = "callback_on_step_end" in inspect.signature(type(pipe).__call__).parameters
    knows = follows and hasattr(type(pipe), "interrupt")
    kinds = [kind for kind in STEPS if kind != "interrupted" or knows]
    form = "np" if name in TWO_STAGES else "latent"

    def asked(kind: str, seen: list[int]) -> dict[str, Any]:
        settings = {"steps": STEPS[kind], "guidance": kind != "unguided", "seed": kinds.index(kind)}
        given = {**arguments(tiny, pipe, **settings), "output_type": form}
        if follows:
            given["callback_on_step_end"] = following(seen, kind == "interrupted")
        return given

    alone: dict[str, list[int]] = {kind: [] for kind in kinds}
    expected = {kind: own_pipeline(pipe)(**asked(kind, alone[kind])) for kind in kinds}
    before = state_of(vars(pipe))
    together: dict[str, list[int]] = {kind: [] for kind in kinds}
    with Engine({"m": pipe}) as engine:
        jobs = {kind: engine.submit(**asked(kind, together[kind])) for kind in kinds}
        found = {kind: job.result(200) for kind, job in jobs.items()}
    assert together == alone
    if knows:
        assert together["interrupted"] == [0, 1]
        assert len(together["guided"]) > 2  # three of four steps, where a picture is begun with
    assert engine.figures.done == len(kinds)
    for kind in kinds:
        assert difference(expected[kind], found[kind]) < CLOSE[form], kind
        assert not jobs[kind].notes
    assert state_of(vars(pipe)) == before


SCHEDULERS: dict[str, Callable[[Any], Any]] = {
    "ddpm": DDPMScheduler.from_config,
    "euler ancestral": EulerAncestralDiscreteScheduler.from_config,
    "sde": lambda config: DPMSolverMultistepScheduler.from_config(config, algorithm_type="sde-dpmsolver++"),
}
"""Solvers that draw at each step."""


@pytest.mark.filterwarnings("ignore:__array")
@pytest.mark.parametrize("solver", SCHEDULERS)
@pytest.mark.parametrize("kind", ["from noise", "from a picture", "in a picture"])
def test_what_is_drawn_without_a_generator_is_the_request_s_own(kind: str, solver: str) -> None:
    """Noise, what an autoencoder draws of a picture, and what a solver draws at each step."""
    tiny = FAMILIES["sd15" if kind == "from noise" else "sd15_img2img"]
    pipe = tiny.build()
    pipe.scheduler = SCHEDULERS[solver](pipe.scheduler.config)
    if kind == "in a picture":
        pipe = StableDiffusionInpaintPipeline(**pipe.components, requires_safety_checker=False)
        pipe.set_progress_bar_config(disable=True)

    def asked(steps: int) -> dict[str, Any]:
        if kind == "in a picture":
            given: dict[str, Any] = {"prompt": "a red fox", "image": picture(), "mask_image": picture().convert("L")}
            return {**given, "num_inference_steps": steps, "height": 32, "width": 32, "output_type": "latent"}
        return {**deepcopy(arguments(tiny, pipe, steps=steps)), "generator": None, "output_type": "latent"}

    torch.manual_seed(11)
    plain = own_pipeline(pipe)(**asked(4))
    with Engine({"m": pipe}) as engine:
        alone = [engine.submit(seed=seed, **asked(steps)).result(100) for seed, steps in ((11, 4), (12, 5), (13, 4))]
        jobs = [engine.submit(seed=seed, **asked(steps)) for seed, steps in ((11, 4), (12, 5), (13, 4))]
        found = [job.result(100) for job in jobs]
        assert engine.figures.together > 0
    assert difference(plain, alone[0]) == 0
    assert all(difference(one, other) < 1e-5 for one, other in zip(alone, found, strict=True))
    assert difference(alone[0], alone[2]) > 1e-2
