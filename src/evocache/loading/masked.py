"""Painting under a mask with any pipeline that begins with a picture: after each step, what is kept is put back."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from .example_call import IMAGE, MASK

CALLBACK, STRENGTH = "callback_on_step_end", "strength"


def paint_under_masks(cls: type) -> type:
    """Return a pipeline class that takes a mask besides: white is painted, black is kept.

    diffusers' own pipelines for that refuse denoisers whose latents have not 4 channels. As there, the latents of what
    is kept are put back after each step, with as much noise as the step leaves (Lugmayr et al., RePaint, 2022, eq. 8).

    Args:
        cls: a pipeline whose call takes a picture, its strength, and a callback at the end of each step.
    """
    inherited: Any = cls.__call__
    signature = inspect.signature(inherited)
    parameters = []
    for parameter in signature.parameters.values():
        parameters.append(parameter.replace(default=1.0) if parameter.name == STRENGTH else parameter)
        if parameter.name == IMAGE:
            parameters.append(parameter.replace(name=MASK, annotation=Any))
    taken = signature.replace(parameters=parameters)

    @functools.wraps(inherited)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = taken.bind(self, *args, **kwargs)
        given = {STRENGTH: 1.0, **bound.arguments, **bound.arguments.get("kwargs", {})}
        mask = given.pop(MASK, None)
        arguments = {name: value for name, value in given.items() if name not in ("self", "kwargs")}
        if mask is not None:
            put_back = _PutBack(self, arguments[IMAGE], mask, arguments.get("generator"), arguments.get(CALLBACK))
            arguments[CALLBACK] = put_back
        return inherited(self, **arguments)

    call.__signature__ = taken  # type: ignore[attr-defined]
    return type(cls.__name__, (cls,), {"__call__": call, "__module__": cls.__module__, "__doc__": cls.__doc__})


class _PutBack:
    """What is done after each step.

    Args:
        pipe: the pipeline of the call.
        image: what it begins with.
        mask: white is painted.
        generator: of the call: the noise depends on its seed.
        then: what the caller does after each step.
    """

    def __init__(self, pipe: Any, image: Any, mask: Any, generator: Any, then: Any) -> None:
        import torch

        self._then = then
        vae = pipe.vae
        with torch.no_grad():
            pixels = pipe.image_processor.preprocess(image).to(vae.device, vae.dtype)
            latents = vae.encode(pixels).latent_dist.mode()
        shift = getattr(vae.config, "shift_factor", None) or 0.0
        self._kept = (latents - shift) * vae.config.scaling_factor
        generator = generator[0] if isinstance(generator, list) else generator
        seed = 0 if generator is None else generator.initial_seed() ^ 1  # the call's own noise is another
        drawn = torch.randn(self._kept.shape, generator=torch.Generator("cpu").manual_seed(seed))
        self._noise = drawn.to(self._kept.device, self._kept.dtype)
        size = self._kept.shape[-2:]
        grey = torch.tensor(list(mask.convert("L").resize(size[::-1]).tobytes()), device=self._kept.device)
        self._paints = (grey >= 128).reshape(1, 1, *size)

    def __call__(self, pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """Return the latents after a step, of which those that are kept are the picture's."""
        import torch

        found = tensors if self._then is None else (self._then(pipe, step, timestep, tensors) or tensors)
        latents = found.get("latents", tensors["latents"])
        times = pipe.scheduler.timesteps
        after = int((times == timestep).nonzero()[-1]) + 1
        kept = self._kept
        if after < len(times):
            kept = pipe.scheduler.add_noise(kept, self._noise, times[after : after + 1])
        return {**found, "latents": torch.where(self._paints, latents, kept.to(latents.dtype))}
