"""What a step of a scheduler says of the latents without noise."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import torch
from torch.utils import _pytree as pytree

from .trace import Step

CLEAN = ("pred_original_sample", "denoised", "pred_x0")
"""Names by which schedulers return what they take for the latents without noise."""


def clean_latents(step: Step) -> torch.Tensor:
    """Return the latents without noise, as far as a step knows them (the shape of its sample).

    That is what the scheduler itself predicts, where it returns it. Otherwise the step is made anew by a scheduler that
    has no history and ends here: it goes all the way in the direction of the model's output, to the noise that is left
    at the end. Where that fails, they are the latents as the step left them, with their noise.
    """
    named = _named(step)
    found = next((named[name] for name in CLEAN if isinstance(named.get(name), torch.Tensor)), None)
    if found is None:
        with suppress(Exception):  # schedulers differ in what they need; no preview fails because of that
            found = _to_the_end(step)
    stepped = _first_tensor(step.result)
    if found is None or found.shape != stepped.shape or not bool(torch.isfinite(found).all()):
        found = stepped
    return found.to(stepped.dtype, copy=True)  # the job goes on with these


def _named(step: Step) -> Mapping[str, Any]:
    """What a step returned, by name: a tuple has the order of the class that is returned otherwise."""
    if isinstance(step.result, Mapping):
        return step.result
    if not isinstance(step.result, (tuple, list)) or len(step.result) < 2:
        return {}
    method = next(
        (found for name in ("step", "step_pred") if (found := getattr(type(step.scheduler), name, None))), None
    )
    with suppress(Exception):  # annotations of others
        said = typing.get_type_hints(method)["return"]
        for kind in typing.get_args(said) or (said,):
            if dataclasses.is_dataclass(kind):
                return dict(zip([field.name for field in dataclasses.fields(kind)], step.result, strict=False))
    return {}


def _first_tensor(result: Any) -> torch.Tensor:
    values = result.values() if isinstance(result, Mapping) else result if isinstance(result, tuple) else (result,)
    return next(value for value in values if isinstance(value, torch.Tensor))


def _to_the_end(step: Step) -> torch.Tensor:
    """The latents after one step, of the first order, from the noise of this step's sample to that of the end."""
    given, made = step.scheduler, type(step.scheduler).from_config(step.scheduler.config)
    at = _index(step)
    with suppress(Exception):  # some need more than a number; timesteps are set below
        made.set_timesteps(at + 1)
    made.timesteps = given.timesteps[: at + 1]
    made.num_inference_steps = at + 1
    if isinstance(getattr(given, "sigmas", None), torch.Tensor):
        made.sigmas = torch.cat([given.sigmas[: at + 1], given.sigmas[-1:]])
    else:
        made.num_inference_steps = 1  # such ask how far timesteps are apart: all the way
    if callable(getattr(made, "set_begin_index", None)):
        made.set_begin_index(at)
    kwargs = {name: value for name, value in step.kwargs.items() if name != "generator"}
    args, kwargs = pytree.tree_map_only(torch.Tensor, torch.clone, (step.args, kwargs))  # some step in place
    return _first_tensor(made.step(*args, **kwargs))


def _index(step: Step) -> int:
    if step.place is not None and 0 <= step.place < len(step.scheduler.timesteps):
        return step.place
    timestep = step.args[1] if len(step.args) > 1 else step.kwargs["timestep"]
    return int(torch.nonzero(step.scheduler.timesteps.cpu() == torch.as_tensor(timestep).cpu().max())[0])
