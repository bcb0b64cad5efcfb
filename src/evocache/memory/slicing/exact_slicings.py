"""Ways of slicing a module's call, found by trial and not by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, product
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_unflatten

from ...model.outputs import unpack
from ..rehearsal.meta_overrides import HiddenMetaDevice
from ..rehearsal.rehearsal import shadow
from .coupling_requests import Parted
from .couplings import Shared, Uncoupled
from .slicing import Slicing, alone, in_slices
from .tiled_methods import tiled
from .trial_inputs import TRIED, at_random, blanks, channels, many, overridden, samples, zeros
from .trial_inputs import double as double_of

TOLERANCE = 1e-4
"""Largest difference between sliced and whole results, as a share of the largest value, that is taken for rounding."""

ENOUGH = 16
"""Positions of an axis without meetings that make looking at further axes unnecessary."""

VARIANTS = 16
"""Most ways of reading one call that are tried for an axis."""


def slicings(
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    method: str = "__call__",
    axes: Sequence[int] | None = None,
) -> list[Slicing]:
    """Ways of slicing a module's call that a trial finds exact, those whose slices do not meet first.

    The trial is made on a double of the module in float32 on the CPU, with random weights and few positions, so that it
    costs little, needs no weights and leaves no doubt: what is not exact differs by much more than rounding.

    Args:
        module: the module; its parameters may be on the meta device.
        args: positional arguments that it is called with; only their shapes and types matter.
        kwargs: keyword arguments that it is called with.
        method: what is called, if not the module itself.
        axes: axes that are tried; all that may be cut when not given.
    """
    leaves, spec = unpack((args, dict(kwargs)))
    mains = _mains(leaves)
    if not mains or overridden(module, method):  # what was put over a method may keep to the module itself
        return []
    halves = any(set(many(getattr(part, "stride", 1))) - {1} for part in module.modules())
    with _disable_current_modes(), torch.no_grad():
        double, blank = double_of(module), blanks(leaves)
        if method != "__call__" and tiled(shadow(double), method, blank, mains[0], spec):
            return []
        call, fake = (part if method == "__call__" else alone(part, method) for part in (double, shadow(double)))
        trials = [_Trial(call, fake, spec, blank, main, (1, 2, 4, 8) if halves else (1,)) for main in mains]
        found = [slicing for trial in trials for slicing in trial.all(axes)]
    return sorted(found, key=lambda s: s.coupled)


def _mains(leaves: Sequence[Any]) -> list[int]:
    """Arguments that may be the features that a module works on: the largest, and the first."""
    tensors = [i for i, leaf in enumerate(leaves) if _cuttable(leaf)]
    return list(dict.fromkeys([max(tensors, key=lambda i: leaves[i].numel()), tensors[0]])) if tensors else []


def pattern(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> object:
    """Return what decides how a call may be sliced: modules within, and which of its arguments' axes are equal.

    Widths do not, so that one trial tells for all blocks that differ in their channels only.
    """
    leaves, spec = unpack((args, dict(kwargs)))
    lengths: dict[int, int] = {}
    for main in _mains(leaves):
        for axis in _axes(leaves[main]):
            lengths.setdefault(leaves[main].shape[axis], len(lengths))
    called = tuple(
        tuple(lengths.get(n) for n in leaf.shape)
        if isinstance(leaf, torch.Tensor)
        else (lengths.get(leaf, leaf) if type(leaf) is int else repr(leaf), type(leaf))
        for leaf in leaves
    )
    parts = tuple((name, type(part), getattr(part, "kernel_size", None)) for name, part in module.named_modules())
    return parts, called, str(spec)


@dataclass(frozen=True)
class _Trial:
    """A double's call, the same on the meta device, and leaves there that stand for what it is called with."""

    call: Callable[..., Any]
    fake: Callable[..., Any]
    spec: Any
    leaves: Sequence[Any]
    main: int
    multiples: Sequence[int]
    wholes: dict[object, Sequence[Any] | None] = field(default_factory=dict)

    def all(self, axes: Sequence[int] | None) -> Iterator[Slicing]:
        """A way of slicing along each axis, or some, as far as there is one and it is worth looking for."""
        for axis in _axes(self.leaves[self.main]):
            if axes is not None and axis not in axes:
                continue
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
        for inputs, counts in islice(readings(self.leaves, self.main, axis), VARIANTS):
            for coupled, multiple, shared in ways:
                found = self._try_slicing(Slicing(axis, inputs, counts, (), coupled, multiple, shared))
                if found is not None:
                    return found
        return None

    def _try_slicing(self, slicing: Slicing) -> Slicing | None:
        """The slicing, completed by what its trials showed; None if it is not exact.

        What is beside the main argument is tried with random values and with zeros: one may be a switch.
        """
        few = min(slicing.length(self.leaves), TRIED * slicing.multiple)
        if few < 3 * slicing.multiple:
            return None
        shown = slicing.cut(self.leaves, 0, few)
        others = [leaf for i, leaf in enumerate(shown) if i != self.main and isinstance(leaf, torch.Tensor)]
        found = None
        for beside in (at_random, zeros) if others else (at_random,):
            for sample in samples(shown, self.main, slicing.axis):
                real = [at_random(leaf) if i == self.main else beside(leaf) for i, leaf in enumerate(sample)]
                whole = self._whole(real, beside)
                if whole is not None:
                    mute = beside is zeros
                    try:
                        found = _compared(self.call, slicing, real, self.spec, whole, slicing.sizes(few, 3), mute)
                    except Parted:  # slices of a larger one may take the path of the whole
                        if len(self.leaves[self.main].shape) == 4:
                            continue
                        return None
                    break
            else:
                return None
            if found is None:
                return None
        return found

    def _whole(self, real: Sequence[Any], kind: object) -> Sequence[Any] | None:
        """What the call gives for a sample; None if it does not run on a part like this. Each is called once."""
        key = (kind, *(tuple(leaf.shape) if isinstance(leaf, torch.Tensor) else repr(leaf) for leaf in real))
        if key not in self.wholes:
            try:
                with HiddenMetaDevice():
                    self._run(self.fake, shadow(list(real)))  # costs next to nothing and fails where the other would
                self.wholes[key] = unpack(self._run(self.call, real))[0]
            except Exception:  # a module may fail in any way when it is shown too little
                self.wholes[key] = None
        return self.wholes[key]

    def _run(self, call: Callable[..., Any], leaves: Sequence[Any]) -> Any:
        args, kwargs = tree_unflatten(list(leaves), self.spec)
        return call(*args, **kwargs)


def _compared(
    call: Callable[..., Any],
    slicing: Slicing,
    sample: list[Any],
    spec: Any,
    whole: Sequence[Any],
    parts: Sequence[int],
    mute: bool,
) -> Slicing | None:
    """The slicing with the axes of its outputs, if slices of a sample, joined, are the whole.

    Raises:
        Parted: if slices took different paths.
    """
    try:
        pieces: list[list[Any]] = []
        for result in in_slices(call, slicing, parts, sample, spec):
            pieces.append(unpack(result)[0])
            if len(pieces) == 1 and not all(map(_begins, whole, pieces[0])):
                return None
        outputs = tuple(_join_axis(w, [p[i] for p in pieces], parts) for i, w in enumerate(whole))
        same = equal(whole, pieces, outputs, mute)
    except Parted:
        raise
    except Exception:  # a module may fail in any way when it is cut where it must not be
        return None
    return replace(slicing, outputs=outputs) if same else None


def _cuttable(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.is_floating_point() and leaf.ndim > 1


def _axes(tensor: torch.Tensor) -> list[int]:
    """Axes that may be cut, likely ones first: batch, tokens or height or frames, width; never channels."""
    return [i for i in range(tensor.ndim) if i != channels(tensor) and tensor.shape[i] > 2]


def readings(leaves: Sequence[Any], main: int, axis: int) -> Iterator[tuple[tuple[int | None, ...], tuple[int, ...]]]:
    """Return which other leaves may have the same positions if the call's main tensor is cut along `axis`."""
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


def _begins(whole: Any, piece: Any) -> bool:
    """Whether a first slice may be how a whole begins."""
    if not isinstance(whole, torch.Tensor):
        return True
    shorter = tuple(slice(0, n) for n in piece.shape)
    return piece.ndim == whole.ndim and _equal(whole[shorter], [piece], None, True)


def equal(
    whole: Sequence[Any], pieces: Sequence[Sequence[Any]], axes: Sequence[int | None], mute: bool = False
) -> bool:
    """Return whether the leaves of pieces, each joined along its axis, are those of the whole (see `_equal`)."""
    return all(_equal(w, [p[i] for p in pieces], a, mute) for i, (w, a) in enumerate(zip(whole, axes, strict=True)))


def _equal(whole: Any, pieces: Sequence[Any], axis: int | None, mute: bool = False) -> bool:
    """Whether pieces, joined, are the whole; features of zeros show nothing, and may only follow from such an input."""
    if not isinstance(whole, torch.Tensor):
        return all(type(p) is type(whole) and p == whole for p in pieces)
    joined = [torch.cat(list(pieces), axis)] if axis is not None else pieces
    scale = float(whole.abs().max()) if whole.numel() else 0.0
    return all(
        j.shape == whole.shape and bool(torch.isfinite(j).all()) and float((j - whole).abs().max()) <= TOLERANCE * scale
        for j in joined
    ) and (mute or scale > 0 or whole.ndim < 2)
