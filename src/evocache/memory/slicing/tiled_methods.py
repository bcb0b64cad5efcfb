"""How often a method calls its module's parts: more often for a large call, if it cuts what is large into tiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_unflatten

from ..rehearsal.meta_overrides import HiddenMetaDevice
from ..rehearsal.rehearsal import shadow
from .slicing import TIME, Instead, twin
from .trial_inputs import TRIED, cropped


def calls_of_parts(module: nn.Module, method: str, leaves: Sequence[Any], spec: Any) -> Counter[str]:
    """Return how often each part is called for a call of the method, by name; nothing if it does not run on so little.

    Args:
        module: the shadow of the module.
        method: the method's name.
        leaves: leaves of the call's arguments; only their shapes and types matter.
        spec: how these are nested.
    """
    found: Counter[str] = Counter()
    made = twin(module)
    for name, part in made.named_children():
        made.__dict__[name] = Instead(part, _counted(part, name, found))
    args, kwargs = tree_unflatten(shadow(list(leaves)), spec)
    try:
        with HiddenMetaDevice():
            getattr(made, method)(*args, **kwargs)
    except Exception:  # a module may fail in any way when it is shown too little
        return Counter()
    return found


def tiled(module: nn.Module, method: str, leaves: Sequence[Any], main: int, spec: Any) -> bool:
    """Return whether a call is cut into tiles by the module itself, which a trial with few positions would not show.

    Args:
        module: the shadow of the module.
        method: the method's name.
        leaves: leaves of the call's arguments.
        main: which of them is cut.
        spec: how they are nested.
    """
    if not getattr(module, "use_tiling", False):
        return False
    few = cropped(leaves, main, frames_axis(leaves[main]), 2, TRIED)
    return calls_of_parts(module, method, leaves, spec) != calls_of_parts(module, method, few, spec)


def frames_axis(tensor: torch.Tensor) -> int:
    """Return the axis of frames: that of a video, or the first of pictures, which are frames as well."""
    return TIME if tensor.ndim == 5 else 0


def largest_first(module: nn.Module, parts: Iterable[str]) -> list[str]:
    """Names of a module's parts, those with most parameters first."""
    return sorted(parts, key=lambda name: -sum(p.numel() for p in module.get_submodule(name).parameters()))


def _counted(part: nn.Module, name: str, found: Counter[str]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        found[name] += 1
        return part(*args, **kwargs)

    return call
