"""Whether what an encoder returns follows from its arguments alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as torch_module
from torch.utils._device import DeviceContext

from ....runtime.attach.subclasses import plain
from ....runtime.estimate.restored_attributes import is_ours
from ..isolation.kept_object import CONTAINERS, HOOKS, is_host_s
from ..isolation.own_caches import own_caches

EVERYWHERE = ("_global_forward_hooks", "_global_forward_pre_hooks")
"""Where torch keeps hooks on all modules there are."""


_core: Any = torch._C


def sees_calls() -> bool:
    """Return whether a mode of torch that somebody has entered in this thread would miss a call; a device is none."""
    functions = [_core._get_function_stack_at(at) for at in range(_core._len_torch_function_stack())]
    return bool(_core._len_torch_dispatch_stack()) or not all(isinstance(mode, DeviceContext) for mode in functions)


def is_pure(encoder: nn.Module) -> bool:
    """Return whether nothing but its arguments and weights is known to be in what an encoder returns.

    Not in training, nor where its computing sets attributes that it has, or fills containers: what it returns may
    depend on the call before. Nor where somebody's hook or another `forward` would miss its call.
    """
    if any(getattr(torch_module, name) for name in EVERYWHERE):
        return False
    return all(_is_pure(module) for module in encoder.modules())


def _is_pure(module: nn.Module) -> bool:
    held, cls = vars(module), plain(module)
    caches = own_caches(cls)
    sets = any(name in held or name in held["_buffers"] for name in caches.set)
    fills = any(isinstance(held.get(name), CONTAINERS) for name in caches.filled)
    foreign = any(not is_host_s(hook) for name in HOOKS for hook in held[name].values())
    return not (module.training or sets or fills or foreign or _is_replaced(held.get("forward")))


def _is_replaced(forward: Any) -> bool:
    return forward is not None and not is_ours(forward)
