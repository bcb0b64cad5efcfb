"""Operations on leaves: keep the output of a computed leaf, recall it, or stand in for one that nobody reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

import torch

from ...model.outputs import fill_blank, make_blank
from ..attach.slot import Bare, Fed, Given, Slot
from .branch_state import BranchState
from .stored_output import BARE, ONE, Packing, Seen, Shapes, entry, packed, repacked, shapes_of

NOTHING: Sequence[torch.Tensor] = ()
"""What is left of a feature that was handed out."""

APART: Sequence[torch.Tensor] = []
"""Stands for a feature of which each of a forward's calls takes its own piece; it is known by identity."""


class Keep:
    """A leaf computes, and its output is stored. Called several times in one forward, it stores all outputs.

    It holds none of them itself: what is stored may leave the device. It serves all forwards of its branch.
    """

    __slots__ = ("branch", "call", "column")

    computing = True
    """The module itself runs."""

    def __init__(self, branch: BranchState, column: int) -> None:
        self.branch = branch
        self.column = column
        self.call = 0

    def __call__(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Stand in for the call of the module."""
        output = original(module, *args, **kwargs)
        self.stored(output, args, kwargs)
        return output

    def slot(self, module: Any) -> Slot:
        """Return a slot that does the same within a compiled region, where it is not seen what a leaf was given."""
        return Given(self.stored)

    def stored(self, output: Any, args: Any = None, kwargs: Any = None) -> None:
        """Keep what the leaf gave for these arguments."""
        branch, column = self.branch, self.column
        if (
            branch.direct
            and branch.row  # the order of execution is seen in the first
            and self.call != branch.calls
            and isinstance(output, torch.Tensor)
            and column in branch.stores
            and column not in branch.copies
            and branch.store.put_one((branch.key, column, branch.row), output)
        ):
            self.call = branch.calls
            branch.sizes[branch.layout.ids[column]] = output.nbytes
            shape = getattr(args[0], "shape", None) if args else None
            if shape is None or branch.plain.get(column) != shape:  # else all that follows is known
                branch.packing[column] = ONE
                branch.entered[column] = entry(True, args, kwargs)
                if shape is not None:
                    branch.plain[column] = shape
            return
        tensors, packing = packed(output)
        again = self.call == branch.calls
        branch.entering(column, entry(packing is BARE, args, kwargs), again=again)
        if again:
            branch.packing[column] = (*branch.packing[column], packing)
        else:
            self.call = branch.calls
            branch.packing[column] = ONE if packing is BARE else (packing,)
        branch.put(column, tensors, again=again)


class Reuse:
    """A leaf does not compute: it returns what was stored, or a forecast from it.

    It serves all forwards of its branch.
    """

    __slots__ = ("branch", "call", "column", "feature", "ordinal", "place")

    def __init__(self, branch: BranchState, column: int) -> None:
        self.branch = branch
        self.column = column
        self.call = 0
        self.ordinal = 0
        self.place = 0
        self.feature: Sequence[torch.Tensor] | None = None
        """What is left to be handed out in the forward at hand; None if the leaf has to compute after all."""

    def __call__(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Stand in for the call of the module."""
        branch, column = self.branch, self.column
        shape = branch.plain.get(column)
        if shape is not None and self.call != branch.calls:  # the hot path: nothing is left for later
            recall = branch.recalls[column]
            if args and getattr(args[0], "shape", None) == shape:
                tensor = branch.take_one(column, recall)
                if tensor is not None:
                    self.call = branch.calls
                    self.feature, self.ordinal = NOTHING, 1
                    if recall.dies:
                        branch.free(column, recall)
                    return tensor
        packing = branch.packing.get(column, ())
        if packing is not ONE or self.call == branch.calls:
            if self.call != branch.calls:
                self._begin(packing)
            return self._next(packing, original, module, args, kwargs)
        recall = branch.recalls[column]
        self.call = branch.calls
        if branch.entered.get(column) not in (None, entry(True, args, kwargs)):
            self.feature, self.ordinal = None, 0
            return self._next(packing, original, module, args, kwargs)
        feature = branch.take(column, recall)
        if feature is None:
            self.feature, self.ordinal = None, 0
            return self._next(packing, original, module, args, kwargs)
        self.feature, self.ordinal = NOTHING, 1
        if recall.dies:
            branch.free(column, recall)
        return feature[0]

    def _next(
        self, packing: Sequence[Packing], original: Callable[..., Any], module: Any, args: Any, kwargs: Any
    ) -> Any:
        """The next of the forward's calls: it is given its part of the feature, or computes if there is none."""
        if self.feature is not None and not self._fits(packing, args, kwargs):
            if self.ordinal:
                return self._instead(packing, original, module, args, kwargs)
            self.feature = None
        feature, ordinal, first = self.feature, self.ordinal, self.place
        if feature is APART:
            return self._piece(packing, original, module, args, kwargs)
        if feature is None or ordinal >= len(packing):
            output = original(module, *args, **kwargs)
            if feature is None:
                self._renewed(output, args, kwargs)
            return output
        now = packing[ordinal]
        self.place = first + len(now[1])
        self._served(packing)
        return repacked(feature[first : self.place], now)

    def _piece(
        self, packing: Sequence[Packing], original: Callable[..., Any], module: Any, args: Any, kwargs: Any
    ) -> Any:
        """The next of the forward's calls takes its piece of the feature, or computes if that was lost meanwhile."""
        branch, now = self.branch, packing[self.ordinal]
        piece = branch.take(self.column, branch.recalls[self.column], self.ordinal)
        if piece is None:
            return self._instead(packing, original, module, args, kwargs)
        self._served(packing)
        return repacked(piece, now)

    def _fits(self, packing: Sequence[Packing], args: Any, kwargs: Any) -> bool:
        """Whether a call is given tensors of the shapes for which its part of the feature was computed."""
        entered = self.branch.entered.get(self.column)
        if entered is None or self.ordinal >= len(packing):
            return True
        known = entered[self.ordinal] if isinstance(entered, list) else entered
        return known is None or known == entry(packing[self.ordinal] is BARE, args, kwargs)

    def _instead(
        self, packing: Sequence[Packing], original: Callable[..., Any], module: Any, args: Any, kwargs: Any
    ) -> Any:
        """One of several calls computes instead of being given its part of the feature."""
        self.place += len(packing[self.ordinal][1])
        self._served(packing)
        self.branch.executed[self.column] += 1
        return original(module, *args, **kwargs)

    def slot(self, module: Any) -> Slot | None:
        """Return a slot that does the same within a compiled region, unless calls before it have taken their pieces."""
        packing = self.branch.packing.get(self.column, ())
        if self.call != self.branch.calls:
            self._begin(packing, by_piece=False)
        if self.feature is APART:
            return None
        if self.feature is None:
            return Given(self._renewed)
        ends = list(accumulate(len(places) for _, places, _ in packing))
        parts = zip([0, *ends], ends, packing, strict=False)
        outputs = [repacked(self.feature[first:end], now) for first, end, now in parts]
        return Fed(outputs, partial(self._served, packing))

    def _begin(self, packing: Sequence[Packing], *, by_piece: bool = True) -> None:
        """The first of a forward's calls: take the feature, or let each call take its piece."""
        branch, column = self.branch, self.column
        self.call = branch.calls
        self.ordinal = self.place = 0
        recall = branch.recalls[column]
        if by_piece and len(packing) > 1 and branch.in_pieces(column, recall, len(packing)):
            self.feature = APART
        else:
            self.feature = branch.take(column, recall) if packing else None
        if self.feature is not None:
            branch.taken.append(self)

    def _served(self, packing: Sequence[Packing]) -> None:
        """One of the calls was given its output."""
        self.ordinal += 1
        if self.ordinal == len(packing):
            self.feature = NOTHING
            self.branch.free(self.column, self.branch.recalls[self.column])

    def finish(self) -> None:
        """Let go of what the host did not come to read in a forward that is over."""
        self.feature = None

    def _renewed(self, output: Any, args: Any = None, kwargs: Any = None) -> None:
        """The leaf computed after all."""
        again, self.ordinal = self.ordinal > 0, self.ordinal + 1
        tensors, packing = packed(output)
        self.branch.entering(self.column, entry(packing is BARE, args, kwargs), again=again)
        self.branch.renew(self.column, self.branch.recalls[self.column], tensors, again=again)


class Blank:
    """A module is skipped and nobody reads its output: a stand-in of the right shape is returned, call by call.

    It serves all forwards of its branch. Where the shapes that it is given are not those for which the stand-in was
    seen, the module computes, so that what is next to it fits.

    Args:
        branch: the branch.
        column: the module's component.
    """

    __slots__ = ("branch", "call", "column", "ordinal")

    def __init__(self, branch: BranchState, column: int) -> None:
        self.branch = branch
        self.column = column
        self.call = self.ordinal = 0

    def __call__(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Stand in for the call of the module."""
        return self.standing_in(original, module, args, kwargs, shapes_of(args, kwargs))

    def standing_in(
        self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any, shapes: Shapes | None = None
    ) -> Any:
        """Return the next stand-in, if it was seen for these shapes."""
        if self.call != self.branch.calls:
            self.call, self.ordinal = self.branch.calls, 0
        seen = self.branch.blanks.get(id(module), [])
        if self.ordinal >= len(seen):
            return original(module, *args, **kwargs)
        self.ordinal += 1
        known, stand_in = seen[self.ordinal - 1]
        if shapes is not None and shapes != known:
            return self._computed(seen, original, module, args, kwargs)
        return fill_blank(stand_in)

    def _computed(self, seen: list[Seen], original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """The module computes after all; this is what it looks like from now on."""
        output = original(module, *args, **kwargs)
        seen[self.ordinal - 1] = shapes_of(args, kwargs), make_blank(output)
        self.branch.executed[self.column] += self.ordinal == 1
        return output

    def slot(self, module: Any) -> Slot:
        """Return a slot that does the same within a compiled region."""
        return Bare([stand_in for _, stand_in in self.branch.blanks.get(id(module), [])], _nothing)


class Observe:
    """Remembers what the outputs of a module look like in one forward, call by call, for stand-ins."""

    __slots__ = ("branch", "seen", "shapes")

    def __init__(self, branch: BranchState) -> None:
        self.branch = branch
        self.seen: list[Seen] = []
        self.shapes: Shapes = ()

    def before(self, module: Any, args: Any, kwargs: Any) -> None:
        """Remember what it is given."""
        self.shapes = shapes_of(args, kwargs)

    def after(self, module: Any, output: Any) -> None:
        """Remember shapes and types."""
        self.seen.append((self.shapes, make_blank(output)))
        self.branch.blanks[id(module)] = self.seen


def _nothing() -> None:
    """Nothing is to be done."""
