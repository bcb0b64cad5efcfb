"""Stations: the operations at which a slice of frames needs something of the others, and how long it is there.

Which these are is seen on the meta device: a call of a few frames and one of a few more come to the same operations,
and where lengths differ, there are the frames, so many positions for each position of the call's own axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from .requests import Uncoupled


@dataclass(frozen=True)
class Station:
    """An operation that couples frames.

    Attributes:
        name: name of the operation.
        axis: along which axis of its input (of keys, if it is attention) the frames lie.
        rate: how many positions of that axis belong to one position of the call's axis.
    """

    name: str
    axis: int
    rate: int


@dataclass(frozen=True)
class Relay:
    """How slices of frames run one after the other, each with what it needs of those before it.

    Attributes:
        before: how many positions a slice has twice, since they are the last of the slice before it: the first frame of
            a video may be a case of its own, and so each slice is given one.
        ahead: whether a convolution that does not pad by itself reaches as far ahead as back, and not only back.
        shape: the main argument's shape, 0 along the axis that is cut; lengths at stations are those of calls like it.
        stations: operations that may couple frames, in the order in which a slice comes to them; None for one that
            does not.
        rates: for each output, how many positions of it belong to one position of the call's axis; 0 if none do.
    """

    before: int
    ahead: bool
    shape: tuple[int, ...]
    stations: tuple[Station | None, ...]
    rates: tuple[int, ...]

    @property
    def waits(self) -> bool:
        """Whether all slices wait for one another somewhere, perhaps."""
        return any(s is not None and not s.name.startswith("conv") for s in self.stations)

    def fits(self, axis: int, shape: Sequence[int]) -> bool:
        """Whether a call is like the one that was seen, of another length at most."""
        return tuple(0 if i == axis else n for i, n in enumerate(shape)) == self.shape

    def sizes(self, length: int, slices: int) -> list[int]:
        """How many positions of their own slices have, at most so many of them; the first has `before` more."""
        slices = max(1, min(slices, length - self.before))
        base, more = divmod(length - self.before, slices)
        return [base + (i < more) + (self.before if i == 0 else 0) for i in range(slices)]


def couples(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether an operation may couple frames: one over the axis of frames of a video, or over tokens.

    Pictures (frames, channels, height, width) are taken for apart; a trial shows where that is wrong.
    """
    name = getattr(function, "__name__", "")
    if name in ("conv1d", "conv3d"):
        weight = args[1] if len(args) > 1 else kwargs["weight"]
        return bool(weight.shape[2] > 1)
    if name == "group_norm":
        given = args[0] if args else kwargs["input"]
        return bool(given.ndim != 4)
    return name == "scaled_dot_product_attention"


class _Watch(TorchFunctionMode):
    """Within the context, notes the operations that may couple frames, and the shapes that tell where these are."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, torch.Size]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if couples(func, args, kwargs):
            key = func.__name__ == "scaled_dot_product_attention"
            given = (*args, *kwargs.values())[1] if key else (*args, *kwargs.values())[0]
            self.seen.append((func.__name__, given.shape))
        return func(*args, **kwargs)


def passed(call: Callable[[], Any]) -> tuple[list[tuple[str, torch.Size]], Any]:
    """The operations that may couple frames to which a call comes, with their shapes, and what it returns."""
    with _Watch() as watch:
        out = call()
    return watch.seen, out


def stations(
    fewer: Sequence[tuple[str, torch.Size]], more: Sequence[tuple[str, torch.Size]], positions: int
) -> tuple[Station | None, ...]:
    """Stations from what two calls came to, of which one has so many positions more.

    Raises:
        Uncoupled: if they came to different operations, or a length does not grow with the positions.
    """
    if [name for name, _ in fewer] != [name for name, _ in more]:
        raise Uncoupled("calls of different length take different paths")
    return tuple(_station(name, a, b, positions) for (name, a), (_, b) in zip(fewer, more, strict=True))


def _station(name: str, fewer: torch.Size, more: torch.Size, positions: int) -> Station | None:
    axis, rate = grown(fewer, more, positions)
    apart = len(fewer) - 2 if name == "scaled_dot_product_attention" else 2
    return None if axis is None or axis < apart else Station(name, axis, rate)


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
