"""Caches of diffusers that are enabled on a denoiser: two that skip the same layers each see half of the steps."""

from __future__ import annotations

from torch import nn

from ..errors import PipelineError
from ..model import Model


def refuse_rivals(model: Model) -> None:
    """Refuse denoisers on which one of diffusers' own caches is enabled.

    Raises:
        PipelineError: if there is one; it names the cache and how to disable it.
    """
    for denoiser in model.denoisers:
        name = rival(denoiser.module)
        if name is not None:
            raise PipelineError(
                f"a {denoiser.name} on which diffusers' own cache is enabled ({name})",
                "a denoiser whose layers nobody else skips",
                f"call pipe.{denoiser.name}.disable_cache() first",
            )


def rival(denoiser: nn.Module) -> str | None:
    """The cache that diffusers has enabled on a denoiser, by the name of its config or hook; None if there is none.

    Of diffusers' hooks those that keep a state between calls are its caches.
    """
    config = getattr(denoiser, "_cache_config", None)
    if config is not None:
        return type(config).__name__
    registries = (module.__dict__.get("_diffusers_hook") for module in denoiser.modules())
    hooks = (hook for registry in registries if registry is not None for hook in registry.hooks.values())
    return next((type(hook).__name__ for hook in hooks if getattr(hook, "_is_stateful", False)), None)
