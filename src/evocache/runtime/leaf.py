"""Operations on leaves: keep the output of a computed leaf, recall it, or stand in for one that nobody reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from ..model.outputs import Spec, blank, empty, pack, unpack

if TYPE_CHECKING:
    from .lane import Lane

Packing = tuple[list[Any], list[int], Spec]
"""Leaves of an output with tensors left out, the places of the tensors, and the nesting."""

BARE: Packing = ([None], [0], None)
"""The packing of an output that is a tensor."""


class Keep:
    """A leaf computes, and its output is stored. Called several times in one forward, it stores all outputs.

    It holds none of them itself: what is stored may leave the device. It serves all forwards of its lane.
    """

    __slots__ = ("call", "column", "lane", "packing")

    def __init__(self, lane: Lane, column: int) -> None:
        self.lane = lane
        self.column = column
        self.call = 0
        self.packing: list[Packing] = []

    def __call__(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Stand in for the call of the module."""
        output = original(module, *args, **kwargs)
        lane = self.lane
        tensors, packing = packed(output)
        again = self.call == lane.calls
        if again:
            self.packing.append(packing)
        else:
            self.call = lane.calls
            self.packing = lane.packing[self.column] = [packing]
        lane.put(self.column, tensors, again=again)
        return output


class Reuse:
    """A leaf does not compute: it returns what was stored, or a forecast from it.

    It serves all forwards of its lane.
    """

    __slots__ = ("call", "column", "feature", "lane", "ordinal", "place")

    def __init__(self, lane: Lane, column: int) -> None:
        self.lane = lane
        self.column = column
        self.call = 0
        self.ordinal = 0
        self.place = 0
        self.feature: list[torch.Tensor] | None = None

    def __call__(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Stand in for the call of the module."""
        lane, column = self.lane, self.column
        packing = lane.packing.get(column, ())
        if self.call != lane.calls:
            self.call = lane.calls
            self.ordinal = self.place = 0
            self.feature = lane.take(column, lane.recalls[column]) if packing else None
        feature, ordinal = self.feature, self.ordinal
        if feature is None or ordinal >= len(packing):
            output = original(module, *args, **kwargs)
            if feature is None:
                self.ordinal = ordinal + 1
                lane.renew(column, lane.recalls[column], packed(output)[0], again=ordinal > 0)
            return output
        now = packing[ordinal]
        self.ordinal = ordinal + 1
        if self.ordinal == len(packing):
            self.feature = []
            lane.free(column, lane.recalls[column])
        first = self.place
        self.place = first + len(now[1])
        return feature[first] if now[2] is None else repacked(feature[first : self.place], now)


class Blank:
    """A module is skipped and nobody reads its output: a stand-in of the right shape is returned, call by call."""

    __slots__ = ("lane", "ordinal")

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.ordinal = 0

    def __call__(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Stand in for the call of the module."""
        seen = self.lane.blanks.get(id(module), [])
        if self.ordinal >= len(seen):
            return original(module, *args, **kwargs)
        self.ordinal += 1
        return empty(seen[self.ordinal - 1])


class Observe:
    """Remembers what the outputs of a module look like in one forward, call by call, for stand-ins."""

    __slots__ = ("lane", "seen")

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.seen: list[Any] = []

    def before(self, module: Any, args: Any, kwargs: Any) -> None:
        """Nothing is to be seen before the call."""

    def after(self, module: Any, output: Any) -> None:
        """Remember shapes and types."""
        self.seen.append(blank(output))
        self.lane.blanks[id(module)] = self.seen


def packed(output: Any) -> tuple[list[torch.Tensor], Packing]:
    """The tensors of an output, and all else that is needed to build it again around other tensors."""
    if isinstance(output, torch.Tensor):
        return [output], BARE
    leaves, spec = unpack(output)
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
    rest = [None if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
    return [leaves[i] for i in places], (rest, places, spec)


def repacked(tensors: list[torch.Tensor], packing: Packing) -> Any:
    """An output built around other tensors, the inverse of `packed`."""
    leaves, places, spec = packing
    if spec is None:
        return tensors[0]
    leaves = list(leaves)
    for place, tensor in zip(places, tensors, strict=True):
        leaves[place] = tensor
    return pack(leaves, spec)
