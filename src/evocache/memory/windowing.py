"""Whether a method decodes by tiles of time that it blends, found by trial and not by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_unflatten

from ..model.outputs import unpack
from .pretence import Denial
from .rehearse import shadow
from .samples import BESIDE, TRIED, at_random, blanks, cropped, double
from .slicing import Instead, Slicing, Windows, alone, twin
from .stations import grown
from .tiles import calls_of_parts, tiled
from .trial import equal
from .windows import AXIS, in_windows

BACK = (1, 2)
"""How many tiles a window may have before its own; a window of two may be too short to be cut into tiles."""

ENOUGH = 4
"""Tiles that a trial is made with, at least."""


def windowed(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], method: str) -> Slicing | None:
    """How a method decodes by tiles of time, if a trial finds that windows, joined, are exactly what it returns.

    Args:
        module: the module; its parameters may be on the meta device.
        args: positional arguments that the method is called with; only their shapes and types matter.
        kwargs: keyword arguments.
        method: the method's name.
    """
    leaves, spec = unpack((args, dict(kwargs)))
    main = next((i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor) and leaf.ndim == 5), None)
    if main is None or method in module.__dict__:
        return None
    with _disable_current_modes(), torch.no_grad():
        blank = blanks(leaves)
        made = double(module)
        fake = shadow(made)
        if tiled(fake, method, blank, main, spec):
            return None
        for side in (BESIDE, TRIED):
            sample = cropped(blank, main, AXIS, 2, side)
            try:
                found = _seen(fake, method, sample, main, spec)
            except Exception:  # a module may fail in any way when it is shown too little
                continue
            return found and _among(found, made, method, sample, spec)
    return None


def _seen(fake: nn.Module, method: str, sample: Sequence[Any], main: int, spec: Any) -> Slicing | None:
    """How a call is cut into tiles of time, if it is; as calls on the meta device show."""
    inputs = tuple(AXIS if i == main else None for i in range(len(sample)))
    way = Slicing(AXIS, inputs, (), (), False)
    total = way.length(sample)
    if total < 3:
        return None
    short = calls_of_parts(fake, method, way.cut(sample, 0, 2), spec)
    often = [name for name, n in calls_of_parts(fake, method, sample, spec).items() if n > 1 and short.get(name) == 1]
    for part in sorted(often, key=lambda name: -sum(p.numel() for p in fake.get_submodule(name).parameters()))[:1]:
        lengths, out = _lengths(fake, method, part, sample, spec)
        stride, rest = divmod(total - lengths[-1], len(lengths) - 1)
        _, less = _lengths(fake, method, part, way.cut(sample, 0, total - 1), spec)
        grew = [
            grown(b.shape, a.shape, 1) if isinstance(a, torch.Tensor) else (None, 0)
            for a, b in zip(out, less, strict=True)
        ]
        rate = max(rate for _, rate in grew)
        if rest or stride < 1 or not rate:
            return None
        size = next(a.shape[axis] for a, (axis, _) in zip(out, grew, strict=True) if axis is not None)
        lead = size - rate * total
        windows = Windows(part, stride, lengths[0], rate, lead)
        return replace(way, outputs=tuple(axis for axis, _ in grew), windows=windows)
    return None


def _lengths(
    fake: nn.Module, method: str, part: str, sample: Sequence[Any], spec: Any
) -> tuple[list[int], Sequence[Any]]:
    """How long the tiles are that a part is called for, and what the method returns."""
    lengths: list[int] = []
    made = twin(fake)
    inner = made.get_submodule(part)

    def noted(x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        lengths.append(x.shape[AXIS])
        return inner(x, *args, **kwargs)

    made.__dict__[part] = Instead(inner, noted)
    args, kwargs = tree_unflatten(list(sample), spec)
    with Denial():
        return lengths, unpack(getattr(made, method)(*args, **kwargs))[0]


def _among(found: Slicing, made: nn.Module, method: str, sample: Sequence[Any], spec: Any) -> Slicing | None:
    """The way with as few tiles before its own as are needed, tried with frames that end as those of the call do."""
    windows, total = found.windows, found.length(sample)
    assert windows is not None
    spare = max(total - (ENOUGH - 1) * windows.stride - windows.tile, 0) // windows.stride
    real = [at_random(leaf) for leaf in found.cut(sample, 0, total - spare * windows.stride)]
    args, kwargs = tree_unflatten(real, spec)
    whole = unpack(alone(made, method)(*args, **kwargs))[0]
    for back in BACK:
        way = replace(found, windows=replace(windows, back=back))
        try:
            pieces = [unpack(piece)[0] for piece in in_windows(made, method, way, real, spec)]
            if all(
                equal(w, [p[i] for p in pieces], a) for i, (w, a) in enumerate(zip(whole, way.outputs, strict=True))
            ):
                return way
        except Exception:  # a window may be cut in any way
            continue
    return None
