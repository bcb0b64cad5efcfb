"""How a call is cut into slices along an axis, run, and its outputs put together."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_unflatten

from ...model.outputs import pack, unpack
from .convolution_modules import one_convolution, together
from .coupling_points import FramePipeline
from .couplings import Shared, Uncoupled
from .lockstep import lockstep

TIME = 2
"""The axis of frames in a video (batch, channels, frames, height, width)."""


@dataclass(frozen=True)
class FrameGroups:
    """How a method works through its main argument group by group.

    Attributes:
        part: the part of the module that it calls for each group, by its name there.
        main: the leaf of the method's arguments that is cut into groups.
        axis: the axis along which that is cut, and along which groups are joined.
    """

    part: str
    main: int
    axis: int


@dataclass(frozen=True)
class TemporalTiles:
    """How a method decodes tile after tile of time, which overlap and are blended.

    Attributes:
        part: the part of the module that it calls for each tile, by its name there.
        stride: positions from the begin of one tile to that of the next.
        tile: positions of a tile, but for the last ones.
        rate: frames for each position.
        lead: frames that the whole has besides; below 0, if it has less.
        back: how many tiles a window has before its own.
    """

    part: str
    stride: int
    tile: int
    rate: int
    lead: int
    back: int = 1

    def count(self, length: int) -> int:
        """Count the tiles of so many positions."""
        return -(-length // self.stride)

    def ends(self, length: int) -> list[int]:
        """Up to which frame the whole is ready, tile by tile."""
        shift = self.lead % self.rate
        ready = [shift + self.rate * self.stride * (k + 1) for k in range(self.count(length) - 1)]
        return [*ready, self.lead + self.rate * length]


@dataclass(frozen=True)
class Slicing:
    """A way of running a module in slices that was seen to give what the whole gives.

    Attributes:
        axis: the axis of the main argument that is cut.
        inputs: for each leaf of the call's arguments, the axis along which it is cut; None for what all slices share.
        counts: leaves that are numbers of positions, such as `num_frames`.
        outputs: for each leaf of the output, the axis along which slices are joined; None for what is the same in all.
        coupled: whether slices meet on the way, so that all of them are held at once.
        multiple: lengths of slices are multiples of it: of 2, if the module halves the axis.
        shared: where the module joins a stream that is not cut to the one that is.
        groups: how the method works group by group, if what comes of each is to be handed on by itself.
        pipeline: how slices run one after the other, if they need not all come to an operation before one goes on.
        windows: how the method works through tiles of time that it blends, if the frames of each are to be handed on.
    """

    axis: int
    inputs: tuple[int | None, ...]
    counts: tuple[int, ...]
    outputs: tuple[int | None, ...]
    coupled: bool
    multiple: int = 1
    shared: Shared = Shared.NONE
    groups: FrameGroups | None = None
    pipeline: FramePipeline | None = None
    windows: TemporalTiles | None = None

    @property
    def onward(self) -> bool:
        """Whether parts of the result come one after the other, and may be handed on."""
        return self.groups is not None or self.pipeline is not None or self.windows is not None

    def length(self, leaves: Sequence[Any]) -> int:
        """Positions of the axis in a call; 0 where the call does not have the form that was tried."""
        if len(leaves) != len(self.inputs):
            return 0
        lengths = {_length(leaf, axis) for leaf, axis in zip(leaves, self.inputs, strict=True) if axis is not None}
        fits = len(lengths) == 1 and all(leaves[i] in lengths for i in self.counts)
        return lengths.pop() if fits and not min(lengths) % self.multiple else 0

    def sizes(self, length: int, slices: int) -> list[int]:
        """Lengths of the slices of an axis."""
        parts = sizes(length // self.multiple, slices, alike=not self.coupled) if length else []
        return [self.multiple * size for size in parts]

    def cut(self, leaves: Sequence[Any], low: int, high: int) -> list[Any]:
        """Return the leaves of the slice from position `low` to `high`."""
        out = [
            leaf if axis is None else leaf.narrow(axis, low, high - low)
            for leaf, axis in zip(leaves, self.inputs, strict=True)
        ]
        for i in self.counts:
            out[i] = high - low
        return out


def sizes(length: int, slices: int, *, alike: bool = False) -> list[int]:
    """Lengths of slices, the first the longest, as equal as can be.

    Args:
        length: of all together.
        slices: how many, at most.
        alike: whether all may be equal; where slices meet, the axis is known by their differing.
    """
    slices = max(1, min(slices, length if alike else length - 1))
    base, more = divmod(length, slices)
    out = [base + (i < more) for i in range(slices)]
    if slices > 1 and not more and not alike:
        out[0], out[-1] = out[0] + 1, out[-1] - 1
    return out


def run(
    call: Callable[..., Any],
    slicing: Slicing,
    slices: int,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    rehearsed: bool = False,
) -> Any:
    """Run a call in slices, joined as they are finished: the first of them decides how large the whole is.

    Args:
        call: what is called.
        slicing: how it is cut.
        slices: number of slices, at most; a call of another form than was tried runs whole.
        args: positional arguments.
        kwargs: keyword arguments.
        rehearsed: where only bytes matter, not values: of slices that do not meet, none holds more than the second,
            beside which there is room for the whole, and the first, which may be longer; only these are run.
    """
    leaves, spec = unpack((args, dict(kwargs)))
    parts = slicing.sizes(slicing.length(leaves), slices)
    if len(parts) < 2:
        return call(*args, **kwargs)
    del args, kwargs
    results = in_slices(call, slicing, parts, leaves, spec)
    return _join(islice(results, 2) if rehearsed and not slicing.coupled else results, slicing, parts)


def alone(module: nn.Module, method: str, *, meeting: bool = True) -> Callable[..., Any]:
    """Return a method as slices may call it side by side.

    What a call keeps on the module or its parts, it keeps on copies.

    Args:
        module: the module.
        method: the method's name.
        meeting: whether slices meet before modules that are one convolution, not within.
    """
    made = meeting_twin if meeting else twin
    return lambda *args, **kwargs: getattr(made(module), method)(*args, **kwargs)


def meeting_twin(module: nn.Module) -> Any:
    """Return a twin whose slices meet before its convolutions, not within."""
    made = twin(module)
    for part in list(made.modules()):
        convolution = one_convolution(part)
        if convolution is not None:
            together(part, convolution)
    return made


def twin(module: nn.Module) -> Any:
    """Return a module with parts of its own, but the same weights: what calls leave on it is left on nobody else."""
    return _twin(module, {})


class Instead:
    """Something that is called in a module's place and, but for that, is that module.

    Args:
        part: the module.
        call: what is called.
    """

    def __init__(self, part: nn.Module, call: Callable[..., Any]) -> None:
        self._part = part
        self._call = call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call what stands in the module's place."""
        return self._call(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)


def _twin(module: nn.Module, known: dict[int, nn.Module]) -> nn.Module:
    if id(module) not in known:
        known[id(module)] = made = copy.copy(module)
        parts = {name: part and _twin(part, known) for name, part in module._modules.items()}
        made.__dict__["_modules"] = parts
    return known[id(module)]


def in_slices(
    call: Callable[..., Any], slicing: Slicing, parts: Sequence[int], leaves: Sequence[Any], spec: Any
) -> Iterator[Any]:
    """Yield what each slice of a call gives, in order; each is run when it is asked for.

    Args:
        call: what is called.
        slicing: how it is cut.
        parts: lengths of the slices.
        leaves: leaves of the whole call's arguments.
        spec: how these are nested.
    """

    def one(low: int, high: int) -> Callable[[], Any]:
        def piece() -> Any:
            args, kwargs = tree_unflatten(slicing.cut(leaves, low, high), spec)
            return call(*args, **kwargs)

        return piece

    starts = [sum(parts[:i]) for i in range(len(parts))]
    calls = [one(start, start + part) for start, part in zip(starts, parts, strict=True)]
    return lockstep(calls, parts, slicing.shared) if slicing.coupled else (piece() for piece in calls)


def _join(results: Iterator[Any], slicing: Slicing, parts: Sequence[int]) -> Any:
    """Results put together; each is let go before the next is asked for, which a loop over `zip` would not do."""
    whole: list[Any] = []
    filled, spec = 0, None
    for part in parts:
        result = next(results, None)
        if result is None:
            break
        leaves, spec = unpack(result)
        del result
        if len(leaves) != len(slicing.outputs):
            raise Uncoupled("an output of another form than in the trial")
        for i, axis in enumerate(slicing.outputs):
            if not filled:
                whole.append(leaves[i] if axis is None else _room(leaves[i], axis, part, sum(parts)))
            if axis is not None:
                size = leaves[i].shape[axis]
                whole[i].narrow(axis, size * filled // part, size).copy_(leaves[i])
        del leaves
        filled += part
    return pack(whole, spec)


def _room(part: torch.Tensor, axis: int, positions: int, total: int) -> torch.Tensor:
    """Room for the whole of which a slice is a part."""
    shape = list(part.shape)
    shape[axis] = shape[axis] * total // positions
    return part.new_empty(shape)


def _length(leaf: Any, axis: int) -> int:
    return leaf.shape[axis] if isinstance(leaf, torch.Tensor) and leaf.ndim > axis else 0
