"""Whether a method decodes by tiles of time that it blends, found by trial and not by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_unflatten

from ...memory.rehearsal.meta_overrides import HiddenMetaDevice
from ...memory.slicing.coupling_points import growth
from ...memory.slicing.exact_slicings import equal
from ...memory.slicing.slicing import TIME, Instead, Slicing, TemporalTiles, twin
from ...memory.slicing.tiled_methods import calls_of_parts, largest_first
from ...memory.slicing.trial_inputs import BESIDE, TRIED, at_random, cropped
from ...model.outputs import unpack
from .module_double import ModuleDouble, run_trial
from .temporal_tiles import decode_in_temporal_tiles

BACK = (1, 2)
"""How many tiles a window may have before its own; a window of two may be too short to be cut into tiles."""

ENOUGH = 4
"""Tiles that a trial is made with, at least."""


def find_temporal_tiles(
    module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], method: str
) -> Slicing | None:
    """Find how a method decodes by tiles of time, if windows, joined, are what it returns (see `run_trial`)."""
    return run_trial(_try_tiles, module, args, kwargs, method, least=3)


def _try_tiles(double: ModuleDouble) -> Slicing | None:
    for side in (BESIDE, TRIED):
        sample = cropped(double.leaves, double.main, TIME, 2, side)
        try:
            found = _seen(double, sample)
        except Exception:  # a module may fail in any way when it is shown too little
            continue
        return found and _among(found, double, sample)
    return None


def _seen(double: ModuleDouble, sample: Sequence[Any]) -> Slicing | None:
    """How a call is cut into tiles of time, if it is; as calls on the meta device show."""
    inputs = tuple(TIME if i == double.main else None for i in range(len(sample)))
    way = Slicing(TIME, inputs, (), (), False)
    total = way.length(sample)
    short = calls_of_parts(double.fake, double.method, way.cut(sample, 0, 2), double.spec)
    calls = calls_of_parts(double.fake, double.method, sample, double.spec)
    often = [name for name, n in calls.items() if n > 1 and short.get(name) == 1]
    for part in largest_first(double.fake, often)[:1]:
        lengths, out = _lengths(double, part, sample)
        stride, rest = divmod(total - lengths[-1], len(lengths) - 1)
        _, less = _lengths(double, part, way.cut(sample, 0, total - 1))
        grew = growth(less, out)
        rate = max(rate for _, rate in grew)
        if rest or stride < 1 or not rate:
            return None
        size = next(a.shape[axis] for a, (axis, _) in zip(out, grew, strict=True) if axis is not None)
        windows = TemporalTiles(part, stride, lengths[0], rate, lead=size - rate * total)
        return replace(way, outputs=tuple(axis for axis, _ in grew), windows=windows)
    return None


def _lengths(double: ModuleDouble, part: str, sample: Sequence[Any]) -> tuple[list[int], Sequence[Any]]:
    """How long the tiles are that a part is called for, and what the method returns."""
    lengths: list[int] = []
    made = twin(double.fake)
    inner = made.get_submodule(part)

    def noted(x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        lengths.append(x.shape[TIME])
        return inner(x, *args, **kwargs)

    made.__dict__[part] = Instead(inner, noted)
    args, kwargs = tree_unflatten(list(sample), double.spec)
    with HiddenMetaDevice():
        return lengths, unpack(getattr(made, double.method)(*args, **kwargs))[0]


def _among(found: Slicing, double: ModuleDouble, sample: Sequence[Any]) -> Slicing | None:
    """The way with as few tiles before its own as are needed, tried with frames that end as those of the call do."""
    windows, total = found.windows, found.length(sample)
    assert windows is not None
    spare = max(total - (ENOUGH - 1) * windows.stride - windows.tile, 0) // windows.stride
    real = [at_random(leaf) for leaf in found.cut(sample, 0, total - spare * windows.stride)]
    whole = double.run(real)
    for back in BACK:
        way = replace(found, windows=replace(windows, back=back))
        try:
            pieces = decode_in_temporal_tiles(double.module, double.method, way, real, double.spec)
            if equal(whole, [unpack(piece)[0] for piece in pieces], way.outputs):
                return way
        except Exception:  # a window may be cut in any way
            continue
    return None
