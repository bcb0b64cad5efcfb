"""Operations on leaves: keep the output of a computed leaf, recall it, or stand in for one that nobody reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import torch

from ..model.outputs import Spec, blank, empty, pack, unpack
from .slot import Bare, Fed, Given, Slot

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
        self._stored(output)
        return output

    def slot(self, module: Any) -> Slot:
        """The same within a compiled region."""
        return Given(self._stored)

    def _stored(self, output: Any) -> None:
        lane = self.lane
        tensors, packing = packed(output)
        again = self.call == lane.calls
        if again:
            self.packing.append(packing)
        else:
            self.call = lane.calls
            self.packing = lane.packing[self.column] = [packing]
        lane.put(self.column, tensors, again=again)


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
        packing = self._begun()
        feature, ordinal = self.feature, self.ordinal
        if feature is None or ordinal >= len(packing):
            output = original(module, *args, **kwargs)
            if feature is None:
                self._renewed(output)
            return output
        now = packing[ordinal]
        self._served()
        first = self.place
        self.place = first + len(now[1])
        return feature[first] if now[2] is None else repacked(feature[first : self.place], now)

    def slot(self, module: Any) -> Slot:
        """The same within a compiled region."""
        packing = self._begun()
        if self.feature is None:
            return Given(self._renewed)
        ends = list(accumulate(len(places) for _, places, _ in packing))
        parts = zip([0, *ends], ends, packing, strict=False)
        return Fed([repacked(self.feature[first:end], now) for first, end, now in parts], self._served)

    def _served(self) -> None:
        """One of the calls was given its output."""
        self.ordinal += 1
        if self.ordinal == len(self.lane.packing[self.column]):
            self.feature = []
            self.lane.free(self.column, self.lane.recalls[self.column])

    def _begun(self) -> Sequence[Packing]:
        """How the outputs of the forward's calls are packed; the feature is taken at the first of them."""
        lane, column = self.lane, self.column
        packing = lane.packing.get(column, ())
        if self.call != lane.calls:
            self.call = lane.calls
            self.ordinal = self.place = 0
            self.feature = lane.take(column, lane.recalls[column]) if packing else None
            if self.feature is not None:
                lane.taken.append(self)
        return packing

    def finish(self) -> None:
        """The forward is over: let go of what the host did not come to read."""
        self.feature = None

    def _renewed(self, output: Any) -> None:
        """The leaf computed after all."""
        again, self.ordinal = self.ordinal > 0, self.ordinal + 1
        self.lane.renew(self.column, self.lane.recalls[self.column], packed(output)[0], again=again)


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

    def slot(self, module: Any) -> Slot:
        """The same within a compiled region."""
        return Bare(list(self.lane.blanks.get(id(module), [])), _nothing)


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


def _nothing() -> None:
    """Nothing is to be done."""


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
