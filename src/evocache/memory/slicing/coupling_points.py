"""Coupling points: the operations at which a slice of frames needs something of the others, and how long it is there.

Which these are is seen on the meta device: a call of a few frames and one of a few more come to the same operations,
and where lengths differ, there are the frames, so many positions for each position of the call's own axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch.overrides import TorchFunctionMode

from .coupling_requests import Uncoupled


@dataclass(frozen=True)
class CouplingPoint:
    """An operation that couples frames.

    Attributes:
        name: name of the operation.
        axis: along which axis of its input (of keys, if it is attention) the frames lie.
        rate: how many positions of that axis belong to one position of the call's axis.
        waits: whether all slices have to come before one can go on.
    """

    name: str
    axis: int
    rate: int
    waits: bool


@dataclass(frozen=True)
class FramePipeline:
    """How slices of frames run one after the other, each with what it needs of those before it.

    Attributes:
        before: how many positions a slice has twice, since they are the last of the slice before it: the first frame of
            a video may be a case of its own, and so each slice is given one.
        ahead: whether a convolution that does not pad by itself reaches as far ahead as back, and not only back.
        shape: the main argument's shape, 0 along the axis that is cut; lengths at coupling points are those of calls
        like it.
        points: operations that may couple frames, in the order in which a slice comes to them; None for one that
            does not.
        rates: for each output, how many positions of it belong to one position of the call's axis; 0 if none do.
    """

    before: int
    ahead: bool
    shape: tuple[int, ...]
    points: tuple[CouplingPoint | None, ...]
    rates: tuple[int, ...]

    @property
    def waits(self) -> bool:
        """Whether all slices wait for one another somewhere."""
        return any(point is not None and point.waits for point in self.points)

    def fits(self, axis: int, shape: Sequence[int]) -> bool:
        """Return whether a call is like the one that was seen, of another length at most."""
        return tuple(0 if i == axis else n for i, n in enumerate(shape)) == self.shape

    def sizes(self, length: int, slices: int) -> list[int]:
        """Return how many positions of their own slices have, at most so many of them; the first has `before` more."""
        slices = max(1, min(slices, length - self.before))
        base, more = divmod(length - self.before, slices)
        return [base + (i < more) + (self.before if i == 0 else 0) for i in range(slices)]


def couples(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether an operation may couple frames: one over the axis of frames of a video, or over tokens.

    Pictures (frames, channels, height, width) are taken for apart; a trial shows where that is wrong.
    """
    name = getattr(function, "__name__", "")
    if name in ("conv1d", "conv3d"):
        weight = args[1] if len(args) > 1 else kwargs["weight"]
        return bool(weight.shape[2] > 1)
    if name == "group_norm":
        given = args[0] if args else kwargs["input"]
        return bool(given.ndim != 4)
    return name == ATTENTION


ATTENTION = "scaled_dot_product_attention"

QUERIES = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
"""Arguments of attention, by place."""


class RecordedOperation(NamedTuple):
    """What a call came to.

    Attributes:
        name: name of the operation.
        shape: shape of its input; of keys, if it is attention.
        waits: whether it needs all positions at once: a norm, or attention without an order.
    """

    name: str
    shape: torch.Size
    waits: bool


class _Watch(TorchFunctionMode):
    """Within the context, notes the operations that may couple frames."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[RecordedOperation] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if couples(func, args, kwargs):
            attention = func.__name__ == ATTENTION
            given = dict(zip(QUERIES if attention else ("input",), args, strict=False)) | kwargs
            ordered = given.get("attn_mask") is not None or bool(given.get("is_causal"))
            waits = func.__name__ == "group_norm" or (attention and not ordered)
            self.seen.append(RecordedOperation(func.__name__, given["key" if attention else "input"].shape, waits))
        return func(*args, **kwargs)


def record_operations(call: Callable[[], Any]) -> tuple[list[RecordedOperation], Any]:
    """Record the operations that may couple frames to which a call comes; return them, and what the call returns."""
    with _Watch() as watch:
        out = call()
    return watch.seen, out


def coupling_points(
    fewer: Sequence[RecordedOperation], more: Sequence[RecordedOperation], positions: int
) -> tuple[CouplingPoint | None, ...]:
    """Coupling points from what two calls came to, of which one has so many positions more.

    A method that takes one position after another itself (`use_slicing`) comes to all twice: then there are none.

    Raises:
        Uncoupled: if they came to different operations, or a length does not grow with the positions.
    """
    if len(more) == 2 * len(fewer) and [*fewer, *fewer] == [*more]:
        return ()
    if [(p.name, p.waits) for p in fewer] != [(p.name, p.waits) for p in more]:
        raise Uncoupled("calls of different length take different paths")
    return tuple(_coupling_point(a, b, positions) for a, b in zip(fewer, more, strict=True))


def _coupling_point(fewer: RecordedOperation, more: RecordedOperation, positions: int) -> CouplingPoint | None:
    axis, rate = grown(fewer.shape, more.shape, positions)
    least = len(fewer.shape) - 2 if fewer.name == ATTENTION else 2
    return None if axis is None or axis < least else CouplingPoint(fewer.name, axis, rate, fewer.waits)


def growth(fewer: Sequence[Any], more: Sequence[Any]) -> list[tuple[int | None, int]]:
    """Return how each leaf of an output grows (see `grown`), from two calls of which one has one position more."""
    return [
        grown(a.shape, b.shape, 1) if isinstance(a, torch.Tensor) else (None, 0)
        for a, b in zip(fewer, more, strict=True)
    ]


def grown(fewer: torch.Size, more: torch.Size, positions: int) -> tuple[int | None, int]:
    """Along which axis a shape grew, and by how much for each position; None and 0 if it did not.

    Raises:
        Uncoupled: if it grew along several, or by no multiple.
    """
    differing = [i for i, (a, b) in enumerate(zip(fewer, more, strict=True)) if a != b]
    if not differing:
        return None, 0
    rate, rest = divmod(more[differing[0]] - fewer[differing[0]], positions)
    if len(differing) > 1 or rest or rate < 1:
        raise Uncoupled("a shape that does not grow with the positions")
    return differing[0], rate
