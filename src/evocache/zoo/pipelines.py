"""The pipelines of the embedded models: diffusers' own classes, whose calls have defaults that fit these models."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import diffusers

from evocache.zoo.models import find


def with_defaults(name: str) -> Callable[[type], type]:
    """Give the call of a pipeline class the defaults of the embedded model `name`; arguments of a caller win.

    The signature says the defaults, as those of other pipelines do. Classes keep the names of diffusers' classes,
    so that a pipeline that is saved loads with diffusers alone (with diffusers' defaults then).
    """
    defaults = find(name).call_defaults

    def decorate(cls: type) -> type:
        inherited: Any = cls.__call__
        signature = inspect.signature(inherited)
        parameters = [p.replace(default=defaults.get(p.name, p.default)) for p in signature.parameters.values()]

        @functools.wraps(inherited)
        def call(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.arguments = {**defaults, **bound.arguments}
            return inherited(*bound.args, **bound.kwargs)

        call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        cls.__call__ = call  # type: ignore[method-assign]
        cls.name_or_path = property(lambda _: name)  # type: ignore[attr-defined]  # the config says the folder
        return cls

    return decorate


@with_defaults("zoo:emoji")
class PixArtAlphaPipeline(diffusers.PixArtAlphaPipeline):  # type: ignore[misc]
    """Pipeline of `zoo:emoji`: 48x48 pixels, 20 steps, guidance 2.5, no bins of resolutions, no cleaning of prompts."""


@with_defaults("zoo:emoji-unet")
class StableDiffusionPipeline(diffusers.StableDiffusionPipeline):  # type: ignore[misc]
    """Pipeline of `zoo:emoji-unet`: 48x48 pixels, 20 steps, guidance 2.5."""


@with_defaults("zoo:emoji-motion")
class AnimateDiffPipeline(diffusers.AnimateDiffPipeline):  # type: ignore[misc]
    """Pipeline of `zoo:emoji-motion`: frames of 48x48 pixels, 20 steps, guidance 2.5."""
