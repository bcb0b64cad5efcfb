"""What ran, seen from outside: every layer with weights of its own, within watched modules or around them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from evocache.model import Denoiser


class Observation:
    """How often each layer ran within calls of watched modules, and how often outside of all of them."""

    def __init__(self) -> None:
        self.within: Counter[str] = Counter()
        self.around: Counter[str] = Counter()
        self.depth = 0

    def enter(self, *_: Any) -> None:
        """A watched module is called."""
        self.depth += 1

    def leave(self, *_: Any) -> None:
        """A watched module has returned."""
        self.depth -= 1

    def layer(self, path: str) -> Any:
        """A hook that counts a layer."""

        def count(*_: Any) -> None:
            (self.within if self.depth else self.around)[path] += 1

        return count


@contextmanager
def observed(denoiser: Denoiser, watched: list[nn.Module]) -> Iterator[Observation]:
    """Count layers within the context, by hooks."""
    seen = Observation()
    hooks = []
    for module in watched:
        hooks.append(module.register_forward_pre_hook(seen.enter))
        hooks.append(module.register_forward_hook(seen.leave))
    for path, module in denoiser.module.named_modules():
        if next(module.parameters(recurse=False), None) is not None:
            hooks.append(module.register_forward_pre_hook(seen.layer(path)))
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def reused(denoiser: Denoiser, ids: set[str]) -> list[nn.Module]:
    """The modules that do not run where the components of these ids are reused."""
    modules: list[nn.Module] = []
    for component in denoiser.components:
        if component.id not in ids:
            continue
        if component.kind == "span":
            modules += denoiser.blocks
        elif component.kind == "deep":
            assert denoiser.unet is not None
            modules += denoiser.unet.deeps[int(component.id.split("[")[1][:-1])].skipped
        else:
            modules.append(denoiser.modules[component.id])
    return modules
