"""Components of a pipeline, also those that diffusers does not list."""

from __future__ import annotations

import pytest
import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler

from evocache import apply
from evocache.model.pipeline_components import list_components
from tests.tiny import FAMILIES


class Optional(DiffusionPipeline):
    """The scheduler and the autoencoder may be left out of the constructor's arguments."""

    def __init__(self, transformer, scheduler=None, vae=None, name="made"):
        super().__init__()
        self.register_modules(transformer=transformer, scheduler=scheduler, vae=vae)
        self.register_to_config(name=name)

    @torch.no_grad()
    def __call__(self, num_inference_steps=4):
        """Denoise by the scheduler's steps."""
        self.scheduler.set_timesteps(num_inference_steps)
        config = self.transformer.config
        latents, prompt = torch.ones(1, config.in_channels, 8, 8), torch.ones(1, 8, config.caption_channels)
        for t in self.scheduler.timesteps:
            extra = {"resolution": None, "aspect_ratio": None}
            noise = self.transformer(latents, prompt, timestep=t.expand(1), added_cond_kwargs=extra, return_dict=False)
            latents = self.scheduler.step(noise[0].chunk(2, dim=1)[0], t, latents, return_dict=False)[0]
        return latents, self.vae.decode(latents[:, : self.vae.config.latent_channels]).sample


def test_components_whose_argument_has_a_default_are_found():
    tiny = FAMILIES["pixart"].build()
    pipe = Optional(tiny.transformer, FlowMatchEulerDiscreteScheduler(), tiny.vae)
    pipe.set_progress_bar_config(disable=True)
    assert "scheduler" not in pipe.components
    assert list_components(pipe) == {"transformer": pipe.transformer, "scheduler": pipe.scheduler, "vae": pipe.vae}
    reference = pipe()
    with apply(pipe, "fora:2") as handle:
        pipe()
        assert {n for id, n in handle.stats.executed.items() if id.endswith(".ff")} == {2}
        assert handle.stats.cached_bytes == 0
    with apply(pipe, "fora:2", memory="1GB") as handle:
        pipe()
        assert {n for id, n in handle.stats.executed.items() if id.endswith(".ff")} == {2}
    assert all(torch.equal(a, b) for a, b in zip(pipe(), reference, strict=True))
    assert not {"step", "decode"} & (pipe.scheduler.__dict__.keys() | pipe.vae.__dict__.keys())


@pytest.mark.parametrize("name", ["pixart", "sd15", "wan22", "stable_cascade"])
def test_what_a_pipeline_lists_comes_first_and_once(family, name):
    pipe = family(name).pipe
    assert list(list_components(pipe))[: len(pipe.components)] == list(pipe.components)
    assert all(list_components(pipe)[key] is value for key, value in pipe.components.items())
