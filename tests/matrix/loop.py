"""The smallest pipeline around a denoiser: a scheduler, and a loop that feeds the denoiser its own outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler
from torch import nn

from evocache.model.outputs import list_tensors
from tests.matrix.recipe import Recipe
from tests.tiny.base import Tiny, seeded

STEPS = 4


class Loop(DiffusionPipeline):
    """A scheduler and a denoiser."""

    def __init__(self, scheduler: FlowMatchEulerDiscreteScheduler, **denoiser: nn.Module) -> None:
        super().__init__()
        self.register_modules(scheduler=scheduler, **denoiser)

    @torch.no_grad()
    def __call__(
        self, recipe: Recipe, num_inference_steps: int = STEPS, seed: int = 0, frozen: bool = False
    ) -> torch.Tensor:
        """The latents after all steps; with `frozen`, what the last of them adds where all are given the same."""
        module = getattr(self, recipe.component)
        self.scheduler.set_timesteps(num_inference_steps)
        latents = torch.randn(recipe.latents, generator=torch.Generator().manual_seed(seed))
        given = recipe.given()
        for t in self.scheduler.timesteps:
            told = self.scheduler.timesteps[0].clone() if frozen else t
            change = folded(recipe.call(module, shown(latents, recipe.vocabulary), told, given), latents)
            stepped = self.scheduler.step(change, t, latents)[0]
            latents = latents if frozen else stepped
        return change if frozen else latents


class TransformerLoop(Loop):
    """Its denoiser is called `transformer`."""

    def __init__(self, scheduler: FlowMatchEulerDiscreteScheduler, transformer: nn.Module) -> None:
        super().__init__(scheduler, transformer=transformer)


class UNetLoop(Loop):
    """Its denoiser is called `unet`."""

    def __init__(self, scheduler: FlowMatchEulerDiscreteScheduler, unet: nn.Module) -> None:
        super().__init__(scheduler, unet=unet)


class PriorLoop(Loop):
    """Its denoiser is called `prior`."""

    def __init__(self, scheduler: FlowMatchEulerDiscreteScheduler, prior: nn.Module) -> None:
        super().__init__(scheduler, prior=prior)


class DecoderLoop(Loop):
    """Its denoiser is called `decoder`."""

    def __init__(self, scheduler: FlowMatchEulerDiscreteScheduler, decoder: nn.Module) -> None:
        super().__init__(scheduler, decoder=decoder)


LOOPS: dict[str, type[Loop]] = {
    "transformer": TransformerLoop,
    "unet": UNetLoop,
    "prior": PriorLoop,
    "decoder": DecoderLoop,
}


def draw(parameter: nn.Parameter) -> None:
    """Draw a matrix anew, so that it keeps the size of what it is given: some classes leave theirs uninitialised."""
    if parameter.ndim > 1 and parameter.numel():
        nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)


def shown(latents: torch.Tensor, vocabulary: int) -> torch.Tensor:
    """What the denoiser is shown: the latents, or the tokens that they stand for."""
    return (latents * vocabulary).long() % vocabulary if vocabulary else latents


def folded(output: Any, latents: torch.Tensor) -> torch.Tensor:
    """An output as a direction for the latents: all its numbers laid out in their shape, over and over and added up."""
    numbers = torch.cat([t.flatten() for t in list_tensors(output) if t.is_floating_point()]).float()
    count = latents.numel()
    rows = torch.nn.functional.pad(numbers, (0, -len(numbers) % count)).reshape(-1, count)
    return (rows.sum(0) / len(rows) ** 0.5).reshape(latents.shape)


def tiny(recipe: Recipe) -> Tiny:
    """The recipe as a tiny pipeline."""

    @seeded
    def build() -> DiffusionPipeline:
        denoiser = recipe.denoiser(**recipe.config)
        for parameter in denoiser.parameters():
            draw(parameter)
        return LOOPS[recipe.component](FlowMatchEulerDiscreteScheduler(), denoiser)

    def call(pipe: Any, seed: int = 0, steps: int = STEPS, frozen: bool = False) -> np.ndarray:
        return pipe(recipe, num_inference_steps=steps, seed=seed, frozen=frozen).numpy()

    kind = "unet" if recipe.skips else "dit"
    return Tiny(recipe.name, build, call, (recipe.component,), kind, calls_per_step=1, blocks=recipe.blocks)
