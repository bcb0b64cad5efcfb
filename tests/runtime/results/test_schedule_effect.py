"""A schedule that has no effect on a generation says so, and why."""

from __future__ import annotations

import copy
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from evocache import apply
from evocache.errors import EvocacheWarning


def test_a_single_step_has_nothing_to_reuse(family):
    """Of four steps, a picture that is hardly changed takes the last."""
    one = family("sd15_img2img")
    with (
        apply(one.pipe, "fora:2"),
        pytest.warns(EvocacheWarning, match=r"nothing was reused: unet called 1 times from step 3 of 4"),
    ):
        one.call(strength=0.3)


def test_a_denoiser_that_is_not_called_as_a_module_is_not_followed(family):
    one = family("pixart")
    expected = pytest.warns(EvocacheWarning, match="nothing was reused: transformer took no part")
    with apply(one.pipe, "fora:2") as handle, expected, handle.generation():
        one.pipe.scheduler.set_timesteps(4)
        for t in one.pipe.scheduler.timesteps:
            one.pipe.scheduler.step(torch.zeros(1), t, torch.zeros(1))


def test_inputs_of_ever_other_shapes_are_not_reused(family):
    one = family("pixart")
    pipe = one.pipe

    def denoise() -> None:
        pipe.scheduler.set_timesteps(4)
        for i, t in enumerate(pipe.scheduler.timesteps):
            pipe.transformer(
                torch.zeros(1, 4, 8 + 2 * i, 8 + 2 * i),
                encoder_hidden_states=torch.zeros(1, 3, pipe.transformer.config.caption_channels),
                timestep=t.expand(1),
                added_cond_kwargs={"resolution": None, "aspect_ratio": None},
            )
            pipe.scheduler.step(torch.zeros(1), t, torch.zeros(1))

    expected = pytest.warns(EvocacheWarning, match="called 4 times from step 0 of 4 on, at most 1 times in a row")
    with apply(pipe, "fora:2") as handle, expected, handle.generation(), torch.no_grad():
        denoise()


@pytest.mark.parametrize("spec", ["none", "fora:2"])
def test_steps_beyond_the_scheduler_s_timesteps_are_not_passed_over(family, spec):
    """Diffusion forcing, frame by frame, takes more steps than any one frame, each with a scheduler of its own."""
    one = family("pixart")
    pipe = one.pipe

    def denoise() -> None:
        pipe.scheduler.set_timesteps(4)
        for i in range(6):
            pipe.transformer(
                torch.zeros(1, 4, 16, 16),
                encoder_hidden_states=torch.zeros(1, 3, pipe.transformer.config.caption_channels),
                timestep=torch.tensor([601 + i]),
                added_cond_kwargs={"resolution": None, "aspect_ratio": None},
            )
            copy.deepcopy(pipe.scheduler).step(torch.zeros(1), pipe.scheduler.timesteps[0], torch.zeros(1))

    warning = pytest.warns(EvocacheWarning, match="transformer made 6 steps where the scheduler has 4")
    expected = nullcontext() if spec == "none" else warning
    with apply(pipe, spec) as handle, torch.no_grad(), expected, handle.generation():
        denoise()
    leaf = one.model.tree.of_kind("feed_forward")[0].id
    assert handle.stats.executed[leaf] == (6 if spec == "none" else 2 + 2)


@pytest.mark.parametrize("spec", ["none", "fora:1", "fora:2", "steps:0,2"])
def test_what_has_an_effect_or_is_meant_to_have_none_is_silent(family, spec):
    one = family("pixart")
    with apply(one.pipe, spec):  # a warning would be an error
        assert np.isfinite(one.call()).all()


def test_an_error_is_not_hidden_behind_a_warning(family):
    one = family("pixart")
    with apply(one.pipe, "fora:2") as handle, pytest.raises(ZeroDivisionError), handle.generation():
        raise ZeroDivisionError
