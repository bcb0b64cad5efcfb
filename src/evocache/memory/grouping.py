"""Whether a method works group by group, found by trial and not by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_unflatten

from ..model.outputs import unpack
from .footprint import Cut
from .groups import run_cut
from .rehearse import shadow
from .samples import BESIDE, TRIED, at_random, blanks, cropped, double
from .slicing import Groups, Slicing, alone
from .tiles import calls_of_parts, tiled
from .trial import TOLERANCE

FRAMES = (5, 7, 9, 13, 17)
"""Numbers of frames that a trial is made with, until there are enough groups."""

ENOUGH = 3
"""Groups that a trial wants to see: the first, one that follows it, and one that follows that."""


def grouped(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], method: str) -> Slicing | None:
    """How a method works group by group, if a trial finds that the groups, joined, are exactly what it returns.

    Args:
        module: the module; its parameters may be on the meta device.
        args: positional arguments that the method is called with; only their shapes and types matter.
        kwargs: keyword arguments.
        method: the method's name.
    """
    leaves, spec = unpack((args, dict(kwargs)))
    main = next((i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor) and leaf.ndim == 5), None)
    if main is None or leaves[main].shape[TIME] < 2 or method in module.__dict__:
        return None
    with _disable_current_modes(), torch.no_grad():
        made = double(module)
        trial = _Trial(made, shadow(made), method, main, spec)
        return trial.of(blanks(leaves))


TIME = 2
"""The axis of frames in a video (batch, channels, frames, height, width)."""


class _Trial:
    """A double of a module, the same on the meta device, and a method of them."""

    def __init__(self, made: nn.Module, fake: nn.Module, method: str, main: int, spec: Any) -> None:
        self._double = made
        self._fake = fake
        self._method = method
        self._main = main
        self._spec = spec

    def of(self, leaves: Sequence[Any]) -> Slicing | None:
        total = leaves[self._main].shape[TIME]
        if tiled(self._fake, self._method, leaves, self._main, self._spec):
            return None
        for side in (BESIDE, TRIED):
            small = cropped(leaves, self._main, TIME, 2, side)
            for frames in [*(n for n in FRAMES if n < total), total]:
                sample = list(small)
                sample[self._main] = sample[self._main].narrow(TIME, 0, frames)
                calls = calls_of_parts(self._fake, self._method, sample, self._spec)
                if max(calls.values(), default=0) >= (ENOUGH if frames < total else 2):
                    return self._among(calls, sample)
        return None

    def _among(self, calls: Mapping[str, int], sample: Sequence[Any]) -> Slicing | None:
        """The largest part that is called for each group, if what it gives may be handed on."""
        real = [at_random(leaf) for leaf in sample]
        args, kwargs = tree_unflatten(real, self._spec)
        whole = unpack(alone(self._double, self._method)(*args, **kwargs))[0]
        parts = [name for name, count in calls.items() if count > 1]
        for part in sorted(parts, key=lambda name: -_size(self._double.get_submodule(name))):
            inputs = tuple(TIME if i == self._main else None for i in range(len(sample)))
            outputs = tuple(TIME if isinstance(leaf, torch.Tensor) else None for leaf in whole)
            slicing = Slicing(TIME, inputs, (), outputs, False, groups=Groups(part, self._main, TIME))
            try:
                joined = unpack(run_cut(self._double, self._method, Cut(slicing, 1), args, kwargs))[0]
                if all(map(_equal, joined, whole)):
                    return slicing
            except Exception:  # a part may give anything
                continue
        return None


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _equal(joined: Any, whole: Any) -> bool:
    if not isinstance(whole, torch.Tensor):
        return type(joined) is type(whole) and bool(joined == whole)
    same = joined.shape == whole.shape and bool(torch.isfinite(joined).all())
    return same and float((joined - whole).abs().max()) <= TOLERANCE * float(whole.abs().max()) > 0
