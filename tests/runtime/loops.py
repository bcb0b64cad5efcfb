"""Denoising loops as somebody would write them around a PixArt, handed out step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Any

import torch

from evocache import Handle
from evocache.runtime.attach import call_scope


def looped(pipe: Any, steps: int = 4, seed: int = 0, call: Callable[..., Any] | None = None) -> Iterator[torch.Tensor]:
    """Latents after each step.

    Args:
        pipe: the pipeline, of which the denoiser and the scheduler are used.
        steps: number of steps.
        seed: of the first latents.
        call: what is called instead of the denoiser.
    """
    call = call or pipe.transformer
    prompt = torch.randn(1, 8, pipe.transformer.config.caption_channels, generator=torch.Generator().manual_seed(1))
    shape = (1, pipe.transformer.config.in_channels, 8, 8)
    latents = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    pipe.scheduler.set_timesteps(steps)
    extra = {"resolution": None, "aspect_ratio": None}
    for t in pipe.scheduler.timesteps:
        with torch.no_grad():
            noise = call(
                latents, encoder_hidden_states=prompt, timestep=t.expand(1), added_cond_kwargs=extra, return_dict=False
            )[0]
        latents = pipe.scheduler.step(noise.chunk(2, dim=1)[0], t, latents, return_dict=False)[0]
        yield latents


def streamed(handle: Handle, **settings: Any) -> Iterator[torch.Tensor]:
    """The same within a generation: a generator, as servers hand them to whichever thread is free."""
    with handle.generation():
        yield from looped(handle.pipe, **settings)


def handed_over(denoiser: torch.nn.Module, engine: Executor) -> Callable[..., Any]:
    """A denoiser as an engine calls it: what is to be done is found where the call is made, and done elsewhere."""

    def call(*args: Any, **kwargs: Any) -> Any:
        op = call_scope.find(id(denoiser))
        if op is None:
            return engine.submit(without_grad, denoiser, *args, **kwargs).result()
        return engine.submit(without_grad, op, plain, denoiser, args, kwargs).result()

    def without_grad(run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with torch.no_grad():  # which is a thread's own
            return run(*args, **kwargs)

    plain = type(denoiser).__call__
    return call
