"""Where a pipeline's weights are: how many bytes, and who moves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from ...memory.offload.packed_weights import align, weights_of
from ...memory.offload.stage_offload import Summons
from ...model.pipeline_components import list_modules
from .acts import Act


def weights(pipe: Any, known: set[int] | None = None) -> dict[str, int]:
    """Return bytes of each component's weights and buffers; what two components share counts for the first.

    Args:
        pipe: the pipeline.
        known: memory that was counted before, as of other pipelines; what is counted now is added.
    """
    known = set() if known is None else known
    out: dict[str, int] = {}
    for name, module in list_modules(pipe).items():
        if isinstance(hook := getattr(module, "_hf_hook", None), Summons):  # packed, and shared with none
            out[name] = hook.offload.size(name)
            continue
        elsewhere = _hooked(module) == "AlignDevicesHook"  # weights come one by one and are never there as a whole
        own = {}
        for tensor in weights_of(module):
            storage = tensor.untyped_storage()
            if storage._cdata not in known and not (elsewhere and tensor.is_meta):
                own[storage._cdata] = storage.nbytes()
        known.update(own)
        out[name] = sum(own.values())
    return out


def resident(pipe: Any, device: torch.device) -> int:
    """Return bytes that an allocator gave to a pipeline's weights and buffers, as far as they are on a device now."""
    held = [t for module in list_modules(pipe).values() for t in weights_of(module) if _is(t.device, device)]
    storages = {t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in held}
    return sum(map(align, storages.values()))


def offloaded(pipe: Any) -> bool:
    """Return whether a pipeline's components are on its device only in the stages that need them."""
    return "CpuOffload" in map(_hooked, list_modules(pipe).values())


def movable(pipe: Any) -> bool:
    """Return whether components can leave a pipeline's device: it is no CPU, and its user has not arranged for that."""
    if offloaded(pipe):
        return True
    theirs = any(
        _hooked(module) not in (None, Summons.__name__) or _has_hooks(module) for module in list_modules(pipe).values()
    )
    return not theirs and torch.device(getattr(pipe, "_execution_device", "cpu")).type != "cpu"


def there_while(pipe: Any, acts: Mapping[str, Sequence[Act]]) -> dict[str, tuple[str, ...]]:
    """Return by stage the components that are on the device at some time of it under the offloading of diffusers.

    Each stays from its first call until the one after it in the pipeline's sequence is called: so the autoencoder that
    an image was encoded with is there while that is animated.
    """
    modules = list_modules(pipe)
    sequence = [name for name in (getattr(pipe, "model_cpu_offload_seq", None) or "").split("->") if name in modules]
    before = dict(zip(sequence[1:], sequence, strict=False))
    here = dict.fromkeys(name for name in getattr(pipe, "_exclude_from_cpu_offload", ()) if name in modules)
    found = {}
    for stage, called in acts.items():
        there: dict[str, None] = {}
        for act in called:
            here.pop(before.get(act.name, ""), None)
            here[act.name] = None
            there |= here
        found[stage] = tuple(there)
    return found


def _hooked(module: nn.Module) -> str | None:
    """The class of the hook by which accelerate moves a module's weights, if it does."""
    hook = next((h for m in module.modules() if (h := getattr(m, "_hf_hook", None)) is not None), None)
    return type(hook).__name__ if hook is not None else None


def _has_hooks(module: nn.Module) -> bool:
    """Whether diffusers has hooks on a module: the registry of hooks that were removed stays, and does nothing."""
    registry = getattr(module, "_diffusers_hook", None)
    return registry is not None and bool(registry.hooks)


def _is(device: torch.device, meant: torch.device) -> bool:
    return device.type == meant.type and meant.index in (None, device.index)
