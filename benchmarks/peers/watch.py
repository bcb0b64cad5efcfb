"""Watching a denoiser from outside, alike for all contenders: what ran, what is held, what was left behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

STATEFUL = ("diffusers.hooks", "cache_dit")
"""Modules whose objects hold the peers' caches."""

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)

_IN_BLOCK = re.compile(r"blocks?\.")  # a U-Net has one `mid_block`


class ChangedError(RuntimeError):
    """A contender was taken off, and the pipeline is not what it was before."""


class Work:
    """Multiply-adds of the linear layers and convolutions inside the blocks of a denoiser, added up as they run.

    They are what the caches save: attention, feed-forward layers and resnets consist of them. Counted at the layers
    themselves, a layer that a cache passes by does not count, whatever the cache says, and half a batch counts half.
    """

    def __init__(self) -> None:
        self.multiply_adds = 0

    def _ran(self, module: nn.Module, args: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        weight: Any = module.weight  # (out, in), or (out, in of a group, kernel): what one value of the output takes
        self.multiply_adds += output.numel() * weight[0].numel()


@contextmanager
def working(denoiser: nn.Module) -> Iterator[Work]:
    """Within the context the work of the blocks is counted."""
    work = Work()
    inside = [m for name, m in denoiser.named_modules() if _IN_BLOCK.search(name) and isinstance(m, _LAYERS)]
    handles = [module.register_forward_hook(work._ran) for module in inside]
    try:
        yield work
    finally:
        for handle in handles:
            handle.remove()


def held_bytes(roots: list[object]) -> int:
    """Bytes of the tensors that can be reached from caches, each storage counted once and as a whole.

    A view keeps all of its storage alive, so that is what it costs. Parameters of modules do not count.
    """
    storages: dict[int, int] = {}
    seen: set[int] = set()
    open_ = list(roots)
    while open_:
        item = open_.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, torch.Tensor):
            storage = item.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        elif isinstance(item, dict):
            open_ += item.values()
        elif isinstance(item, list | tuple | set):
            open_ += item
        elif type(item).__module__.startswith(STATEFUL) and not isinstance(item, nn.Module):
            open_ += getattr(item, "__dict__", {}).values()
    return sum(storages.values())


@contextmanager
def pristine(pipe: Any, denoiser: nn.Module, left: set[str]) -> Iterator[None]:
    """Afterwards pipeline and denoiser have the attributes that they had before; what was left behind is named.

    Of the pipeline itself only new attributes count: its own call sets others. Submodules are put back in their order,
    too: one that was replaced and put back (cache-dit) comes last, and the model would be read in another order.
    """
    objects = [pipe, type(pipe), *denoiser.modules()]
    before = [(thing, dict(vars(thing))) for thing in objects]
    inside = [(module, list(module._modules.items())) for module in denoiser.modules()]
    kind = denoiser.__class__
    try:
        yield
    finally:
        denoiser.__class__ = kind
        for module, parts in inside:
            if list(module._modules.items()) != parts:
                left.add("_modules")
                module._modules.clear()
                module._modules.update(parts)
        for thing, had in before:
            now = dict(vars(thing))
            for name in now.keys() - had.keys():
                left.add(name)
                delattr(thing, name)
            for name, value in had.items():
                if thing is not pipe and (name not in now or now[name] is not value):
                    left.add(name)
                    setattr(thing, name, value)
