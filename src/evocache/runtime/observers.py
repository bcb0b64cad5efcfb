"""Which modules are observed while they run: attention processors of a pipeline's or user's own that keep something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

DEPTH = 4
"""How far into objects that a processor holds one looks."""

_OWN = "diffusers.models."
"""Where the processors are defined that compute attention and keep nothing."""


class Observers:
    """The attention processors of a denoiser that may keep what they see, and what they held before a call."""

    def __init__(self, denoiser: nn.Module) -> None:
        self._before = {id(m): (m, p, _state(p, DEPTH)) for m, p in _processors(denoiser)}

    def changed(self) -> list[nn.Module]:
        """Modules whose processor holds something else than before."""
        return [m for m, p, before in self._before.values() if not _same(before, _state(p, DEPTH))]


def _processors(denoiser: nn.Module) -> list[tuple[nn.Module, Any]]:
    found = ((module, getattr(module, "processor", None)) for module in denoiser.modules())
    return [(m, p) for m, p in found if p is not None and not type(p).__module__.startswith(_OWN)]


def _state(thing: Any, depth: int) -> list[Any]:
    """What is reachable from an object, in order; it is held, so that nothing is made in its place."""
    if depth == 0 or isinstance(thing, (torch.Tensor, nn.Module, type)):
        return [thing]
    if isinstance(thing, Mapping):
        parts = list(thing.values())
    elif isinstance(thing, (list, tuple, set)):
        parts = list(thing)
    else:
        parts = list(getattr(thing, "__dict__", {}).values())
    return [thing, *(entry for part in parts for entry in _state(part, depth - 1))]


def _same(before: list[Any], now: list[Any]) -> bool:
    return len(before) == len(now) and all(a is b for a, b in zip(before, now, strict=True))
