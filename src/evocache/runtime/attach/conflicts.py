"""What is refused on a denoiser: diffusers' own caches, and a compiled `forward` with components in it.

Two that skip the same layers each see half of the steps. A function that the host compiled encloses its modules without
a trace: at the module's call nothing tells that they will be compiled.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from ...errors import PipelineError
from ...model import Denoiser, Model
from .snapshot import COMPILED, Snapshot


def refuse_conflicts(model: Model, seen: Mapping[str, Snapshot]) -> frozenset[str]:
    """Refuse denoisers on which one of diffusers' own caches is enabled, or a `forward` was compiled.

    Args:
        model: the denoisers.
        seen: what each of them consists of, by name.

    Returns:
        The names of the denoisers in which modules are compiled.

    Raises:
        PipelineError: if there is one; it names the cache or module and how to mend it.
    """
    for denoiser in model.denoisers:
        if not seen[denoiser.name].marked:
            continue
        found = find_conflict(denoiser.module)
        if found is not None:
            name, mend = found
            raise PipelineError(
                f"a {denoiser.name} on which diffusers' own cache is enabled ({name})",
                "a denoiser whose layers nobody else skips",
                mend.format(f"pipe.{denoiser.name}"),
            )
        path = enclosed(denoiser)
        if path is not None:
            where = f"pipe.{denoiser.name}" + (f".get_submodule({path!r})" if path else "")
            raise PipelineError(
                f"a {denoiser.name} in which a forward was compiled by itself ({where}.forward)",
                "modules that are compiled as modules, so that what lies in them can be reached",
                f"del {where}.forward and call {where}.compile()"
                + ("" if path else f", or set {where} = torch.compile({where})"),
            )
    return frozenset(name for name, snapshot in seen.items() if snapshot.compiled)


def enclosed(denoiser: Denoiser) -> str | None:
    """Return the path of a module with components in it whose `forward` itself was compiled; None if there is none."""
    components = {id(module) for module in denoiser.modules.values()}
    for path, module in denoiser.module.named_modules():
        forward = module.__dict__.get("forward")
        if forward is None or "_orig_mod" in module._modules or getattr(forward, "_torchdynamo_disable", False):
            continue  # torch keeps a compiled forward in its own wrappers, and names what it must not compile alike
        compiled = hasattr(forward, COMPILED)
        if compiled and any(id(part) in components for part in module.modules() if part is not module):
            return str(path)
    return None


def find_conflict(denoiser: nn.Module) -> tuple[str, str] | None:
    """Return the cache that diffusers has enabled on a denoiser; None if there is none.

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
