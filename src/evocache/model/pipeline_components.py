"""The components of a pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn


def list_components(pipe: Any) -> dict[str, Any]:
    """Return a pipeline's components by name: those that it lists, and all others that it has registered.

    diffusers lists a component only if the constructor's argument for it has no default.
    """
    found = dict(pipe.components)
    config = getattr(pipe, "config", None)
    for name, value in config.items() if isinstance(config, Mapping) else ():
        registered = isinstance(value, (tuple, list)) and len(value) == 2 and isinstance(value[0], str)
        if registered and name not in found and name in vars(pipe):
            found[name] = vars(pipe)[name]
    return found


def list_modules(pipe: Any) -> dict[str, nn.Module]:
    """Return those of a pipeline's components by name that are modules."""
    return {name: part for name, part in list_components(pipe).items() if isinstance(part, nn.Module)}


def is_autoencoder(thing: Any) -> bool:
    """Return whether a component of a pipeline is an autoencoder."""
    return isinstance(thing, nn.Module) and callable(getattr(thing, "decode", None))


def find_called_denoiser(components: Mapping[str, Any], name: str, module: nn.Module) -> nn.Module:
    """Return the object that a pipeline calls for a denoiser: the module, or what `torch.compile` wrapped around it.

    Args:
        components: of the pipeline (`list_components`).
        name: of the denoiser.
        module: the denoiser.
    """
    held = components.get(name)
    return held if isinstance(held, nn.Module) else module
