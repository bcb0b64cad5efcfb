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
        found = rival(denoiser.module)
        if found is not None:
            name, mend = found
            raise PipelineError(
                f"a {denoiser.name} on which diffusers' own cache is enabled ({name})",
                "a denoiser whose layers nobody else skips",
                mend.format(f"pipe.{denoiser.name}"),
            )


def rival(denoiser: nn.Module) -> tuple[str, str] | None:
    """The cache that diffusers has enabled on a denoiser; None if there is none.

    Of diffusers' hooks those that keep a state between calls are its caches. A cache that was enabled by a function
    (`apply_first_block_cache`) is known by its hooks alone, and `disable_cache` does not find it.

    Returns:
        The name of its config or hook, and how it is disabled, with a place for the denoiser.
    """
    config = getattr(denoiser, "_cache_config", None)
    if config is not None:
        return type(config).__name__, "call {}.disable_cache() first"
    registries = (module.__dict__.get("_diffusers_hook") for module in denoiser.modules())
    hooks = [item for registry in registries if registry is not None for item in registry.hooks.items()]
    caches = [type(hook) for _, hook in hooks if getattr(hook, "_is_stateful", False)]
    if not caches:
        return None
    files = {cls.__module__ for cls in caches}  # not all hooks of a cache keep a state
    names = tuple(dict.fromkeys(name for name, hook in hooks if type(hook).__module__ in files))
    registry = "registry = diffusers.hooks.HookRegistry.check_if_exists_or_initialize({})"
    removal = f"for name in {names}: registry.remove_hook(name, recurse=True)"
    return ", ".join(dict.fromkeys(cls.__name__ for cls in caches)), f"remove its hooks first: {registry}; {removal}"
