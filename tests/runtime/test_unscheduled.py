"""Pipelines that step no scheduler: the timestep argument tells the step, the call how many there are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline

from evocache import apply
from evocache.policies import parse
from tests.tiny import FAMILIES


class Unscheduled(DiffusionPipeline):
    """Solves by itself; two calls a step."""

    told = "fresh"

    def __init__(self, transformer):
        super().__init__()
        self.register_modules(transformer=transformer)

    def timestep(self, t):
        """The timestep as the denoiser is given it."""
        return {"fresh": torch.tensor([t]), "tensor": torch.tensor(t).expand(1), "batch": torch.full((1,), t)}[
            self.told
        ]

    @torch.no_grad()
    def __call__(self, num_inference_steps=6, seed=0):
        """Denoise by Euler steps from noise."""
        generator = torch.Generator().manual_seed(seed)
        config = self.transformer.config
        latents = torch.randn(1, config.in_channels, 8, 8, generator=generator)
        prompts = torch.randn(2, 1, 8, config.caption_channels, generator=generator)
        extra = {"resolution": None, "aspect_ratio": None}
        for step in range(num_inference_steps):
            t = 999.0 * (1 - step / num_inference_steps)
            given = {"timestep": self.timestep(t), "added_cond_kwargs": extra, "return_dict": False}
            both = [self.transformer(latents, p, **given)[0].chunk(2, dim=1)[0] for p in prompts]
            latents = latents - (both[0] + 2 * (both[1] - both[0])) / num_inference_steps
        return (latents.numpy(),)


class Open(Unscheduled):
    """Says nothing of how many steps it makes."""

    def __call__(self, seed=0):
        """Denoise in five steps."""
        return super().__call__(5, seed)


def made(cls=Unscheduled, told="fresh"):
    pipe = cls(FAMILIES["pixart"].build().transformer)
    pipe.set_progress_bar_config(disable=True)
    pipe.told = told
    return pipe


@pytest.mark.parametrize("told", ["fresh", "tensor", "batch"])
@pytest.mark.parametrize(("spec", "computed"), [("fora:2", 3), ("fora:3", 2), ("steps:0,1,4", 3), ("none", 6)])
def test_the_timestep_tells_the_step(told, spec, computed):
    pipe = made(told=told)
    reference = pipe()[0]
    with apply(pipe, spec) as handle:
        output = pipe()[0]
        feed_forward = [id for id in handle.stats.executed if id.endswith(".ff")]
        assert {handle.stats.executed[id] for id in feed_forward} == {2 * computed}
        assert handle.stats.cached_bytes == 0
        assert handle.recorded.steps == 6
        again = pipe()[0]
    assert np.array_equal(again, output)
    assert np.array_equal(output, reference) == (spec == "none")
    assert np.isfinite(output).all()
    assert np.array_equal(pipe()[0], reference)


def test_the_number_of_steps_may_be_given():
    pipe = made()
    with apply(pipe, "fora:2") as handle:
        for steps in (4, 9):
            pipe(num_inference_steps=steps)
            assert handle.recorded.steps == steps
            assert handle.recorded == parse("fora:2").schedule(handle.model.tree, steps)


def test_a_pipeline_that_does_not_say_how_many_steps_is_left_alone():
    pipe = made(Open)
    reference = pipe()[0]
    with apply(pipe, "fora:2"), pytest.warns(UserWarning, match="number of steps"):
        assert np.array_equal(pipe()[0], reference)


def test_a_loop_of_ones_own_may_say_it():
    pipe = made(Open)
    with apply(pipe, "fora:2") as handle, handle.generation(steps=5):
        Unscheduled.__call__(pipe, 5)
        assert {n for id, n in handle.stats.executed.items() if id.endswith(".ff")} == {6}
