"""Ways of slicing a module's call, found by trial and not by name."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_unflatten

from ..model.outputs import unpack
from .couplings import Shared, Uncoupled
from .rehearse import shadow
from .slicing import Slicing, alone, in_slices

TOLERANCE = 1e-4
"""Largest difference between sliced and whole results, as a share of the largest value, that is taken for rounding."""

TRIED = 7
"""Positions of the axis that a trial is made with."""

ENOUGH = 16
"""Positions of an axis without meetings that make looking at further axes unnecessary."""

VARIANTS = 16
"""Most ways of reading one call that are tried for an axis."""


def slicings(
    module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], method: str = "__call__"
) -> list[Slicing]:
    """Ways of slicing a module's call that a trial finds exact, those whose slices do not meet first.

    The trial is made on a double of the module in float32 on the CPU, with random weights and few positions, so that it
    costs little, needs no weights and leaves no doubt: what is not exact differs by much more than rounding.

    Args:
        module: the module; its parameters may be on the meta device.
        args: positional arguments that it is called with; only their shapes and types matter.
        kwargs: keyword arguments that it is called with.
        method: what is called, if not the module itself.
    """
    leaves, spec = unpack((args, dict(kwargs)))
    mains = _mains(leaves)
    if not mains:
        return []
    halves = any(set(_many(getattr(part, "stride", 1))) - {1} for part in module.modules())
    with _disable_current_modes(), torch.no_grad():
        double, blank = _double(module), shadow(leaves)
        call = double if method == "__call__" else alone(double, method)
        trials = [_Trial(call, spec, blank, main, (1, 2, 4, 8) if halves else (1,)) for main in mains]
        found = [slicing for trial in trials for slicing in trial.all()]
    return sorted(found, key=lambda s: s.coupled)


def _mains(leaves: Sequence[Any]) -> list[int]:
    """Arguments that may be the features that a module works on: the largest, and the first."""
    tensors = [i for i, leaf in enumerate(leaves) if _cuttable(leaf)]
    return list(dict.fromkeys([max(tensors, key=lambda i: leaves[i].numel()), tensors[0]])) if tensors else []


def pattern(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> object:
    """What decides how a call may be sliced: what the module consists of, and which of its arguments' axes are equal.

    Widths do not, so that one trial tells for all blocks that differ in their channels only.
    """
    leaves, spec = unpack((args, dict(kwargs)))
    lengths: dict[int, int] = {}
    called = tuple(
        tuple(lengths.setdefault(n, len(lengths)) for n in leaf.shape) if isinstance(leaf, torch.Tensor) else repr(leaf)
        for leaf in leaves
    )
    parts = tuple((name, type(part), getattr(part, "kernel_size", None)) for name, part in module.named_modules())
    return parts, called, str(spec)


@dataclass(frozen=True)
class _Trial:
    """A double's call, and leaves on the meta device that stand for what it is called with."""

    call: Callable[..., Any]
    spec: Any
    leaves: Sequence[Any]
    main: int
    multiples: Sequence[int]

    def all(self) -> Iterator[Slicing]:
        """A way of slicing along each axis, as far as there is one and it is worth looking for."""
        for axis in _axes(self.leaves[self.main]):
            slicing = self.along(axis)
            if slicing is not None:
                yield slicing
                if not slicing.coupled and slicing.length(self.leaves) >= ENOUGH:
                    return

    def along(self, axis: int) -> Slicing | None:
        """A way of slicing along an axis of the main argument; None if none is exact."""
        ways: list[tuple[bool, int, Shared]] = [(False, 1, Shared.NONE)]
        ways += [(True, multiple, Shared.NONE) for multiple in self.multiples]
        if self.leaves[self.main].ndim == 3 and sum(map(_cuttable, self.leaves)) > 1:  # tokens, and perhaps others
            ways += [(True, 1, Shared.BEFORE), (True, 1, Shared.AFTER)]
        for inputs, counts in islice(_readings(self.leaves, self.main, axis), VARIANTS):
            for coupled, multiple, shared in ways:
                found = self._tried(Slicing(axis, inputs, counts, (), coupled, multiple, shared))
                if found is not None:
                    return found
        return None

    def _tried(self, slicing: Slicing) -> Slicing | None:
        """The slicing, completed by what its trials showed; None if it is not exact.

        What is beside the main argument is tried with random values and with zeros: one may be a switch.
        """
        few = min(slicing.length(self.leaves), TRIED * slicing.multiple)
        if few < 3 * slicing.multiple:
            return None
        shown = slicing.cut(self.leaves, 0, few)
        for beside in (_random, _zero):
            found = None
            for sample in (self._cropped(shown, slicing.axis, 0), self._cropped(shown, slicing.axis, 2), shown):
                try:
                    real = [_random(leaf) if i == self.main else beside(leaf) for i, leaf in enumerate(sample)]
                    args, kwargs = tree_unflatten(real, self.spec)
                    whole = unpack(self.call(*args, **kwargs))[0]
                except Exception:  # the module does not run on a part like this: show it more
                    continue
                mute = beside is _zero
                found = _compared(self.call, slicing, real, self.spec, whole, slicing.sizes(few, 3), mute)
                break
            if found is None:
                return None
        return found

    def _cropped(self, leaves: Sequence[Any], along: int, first: int) -> list[Any]:
        """Leaves with few positions on the axes from `first` on, too, where they are like the main one."""
        main = leaves[self.main]
        out = list(leaves)
        for axis in range(first, main.ndim):
            if axis in (along, _channels(main)) or main.shape[axis] <= TRIED:
                continue
            for i, leaf in enumerate(leaves):
                if isinstance(leaf, torch.Tensor) and leaf.ndim > axis and leaf.shape[axis] == main.shape[axis]:
                    out[i] = out[i].narrow(axis, 0, TRIED)
        return out


def _compared(
    call: Callable[..., Any],
    slicing: Slicing,
    sample: list[Any],
    spec: Any,
    whole: Sequence[Any],
    parts: Sequence[int],
    mute: bool,
) -> Slicing | None:
    """The slicing with the axes of its outputs, if slices of a sample, joined, are the whole."""
    try:
        pieces = [unpack(result)[0] for result in in_slices(call, slicing, parts, sample, spec)]
        outputs = tuple(_join_axis(w, [p[i] for p in pieces], parts) for i, w in enumerate(whole))
        same = [_same(w, [p[i] for p in pieces], a, mute) for i, (w, a) in enumerate(zip(whole, outputs, strict=True))]
    except Exception:  # a module may fail in any way when it is cut where it must not be
        return None
    return replace(slicing, outputs=outputs) if all(same) else None


def _cuttable(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.is_floating_point() and leaf.ndim > 1


def _axes(tensor: torch.Tensor) -> list[int]:
    """Axes that may be cut, likely ones first: batch, tokens or height or frames, width; never channels."""
    return [i for i in range(tensor.ndim) if i != _channels(tensor) and tensor.shape[i] > 2]


def _channels(tensor: torch.Tensor) -> int:
    """The axis of channels: the last of tokens, the second of images and videos."""
    return tensor.ndim - 1 if tensor.ndim < 4 else 1


def _readings(leaves: Sequence[Any], main: int, axis: int) -> Iterator[tuple[tuple[int | None, ...], tuple[int, ...]]]:
    """How the call may be read if its main tensor is cut along `axis`: which other leaves have the same positions."""
    length = leaves[main].shape[axis]
    options: list[list[int | None]] = []
    for i, leaf in enumerate(leaves):
        if i == main:
            options.append([axis])
        elif isinstance(leaf, torch.Tensor) and length in leaf.shape:
            same = [j for j, n in enumerate(leaf.shape) if n == length]
            same.sort(key=lambda j: (j != axis or leaf.ndim != leaves[main].ndim, j))
            options.append([*same, None])
        else:
            options.append([None])
    counts = tuple(i for i, leaf in enumerate(leaves) if isinstance(leaf, int) and leaf == length and leaf is not True)
    for inputs in product(*options):
        yield inputs, counts
        if counts:
            yield inputs, ()


def _join_axis(whole: Any, pieces: Sequence[Any], parts: Sequence[int]) -> int | None:
    if not isinstance(whole, torch.Tensor):
        return None
    shapes = [p.shape for p in pieces]
    differing = [i for i, lengths in enumerate(zip(*shapes, strict=True)) if len(set(lengths)) > 1]
    if not differing:
        return None
    (axis,) = differing
    if any(shape[axis] * parts[0] != shapes[0][axis] * part for shape, part in zip(shapes, parts, strict=True)):
        raise Uncoupled("outputs that do not grow with their slice")
    return axis


def _same(whole: Any, pieces: Sequence[Any], axis: int | None, mute: bool) -> bool:
    """Whether pieces, joined, are the whole; one of zeros shows nothing, and may only follow from an input of zeros."""
    if not isinstance(whole, torch.Tensor):
        return all(type(p) is type(whole) and p == whole for p in pieces)
    joined = [torch.cat(list(pieces), axis)] if axis is not None else pieces
    scale = float(whole.abs().max()) if whole.numel() else 0.0
    return all(
        j.shape == whole.shape and bool(torch.isfinite(j).all()) and float((j - whole).abs().max()) <= TOLERANCE * scale
        for j in joined
    ) and (mute or scale > 0)


def _random(leaf: Any) -> Any:
    """A leaf with random values of its own, on the CPU, in float32; what is no number is all set."""
    if not isinstance(leaf, torch.Tensor):
        return leaf
    if leaf.is_floating_point() or leaf.is_complex():
        dtype = torch.complex64 if leaf.is_complex() else torch.float32
        return torch.randn(leaf.shape, dtype=dtype, generator=torch.Generator().manual_seed(leaf.numel()))
    return torch.ones(leaf.shape, dtype=leaf.dtype) if leaf.dtype is torch.bool else _zero(leaf)


def _zero(leaf: Any) -> Any:
    """A leaf of zeros, on the CPU, in float32 if it is of floating point."""
    if not isinstance(leaf, torch.Tensor):
        return leaf
    return torch.zeros(leaf.shape, dtype=torch.float32 if leaf.is_floating_point() else leaf.dtype)


def _double(module: nn.Module) -> nn.Module:
    """A copy of a module with random weights of its own, in float32 on the CPU."""
    generator = torch.Generator().manual_seed(0)
    memo: dict[int, Any] = {}
    for parameter in module.parameters():
        value = torch.randn(parameter.shape, generator=generator)
        scale = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1
        memo[id(parameter)] = nn.Parameter(value * scale + (parameter.ndim == 1), requires_grad=False)
    for buffer in module.buffers():
        memo[id(buffer)] = _random(buffer)
    return copy.deepcopy(module, memo).eval()


def _many(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)
