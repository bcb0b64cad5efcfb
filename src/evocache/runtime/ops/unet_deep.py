"""Operations on U-Nets: keep the one tensor that leaves a deep part (DeepCache, arXiv 2312.00858)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ...memory import version
from .branch_state import BranchState
from .leaf import Blank, Reuse
from .stored_output import Packing, packed, shapes_of


class DeepKeep:
    """Watches a deep part's exits in one forward, and stores what the last called of them returned.

    Which of them that is a branch knows from its first forward; there it is known when all have been called, or the
    forward is over. It is stored as a copy: on the way up FreeU (arXiv 2309.11497) scales the features in place before
    it reads them.
    """

    def __init__(self, branch: BranchState, column: int, exits: set[int]) -> None:
        self.branch = branch
        self.column = column
        self.exits = exits
        self._entered = False
        self._last = branch.exits.get(column) if branch.row else None
        self._left = len(exits)
        self._latest: tuple[int, Sequence[torch.Tensor], Packing, list[int | None]] | None = None

    def before(self, module: Any, args: Any, kwargs: Any) -> None:
        """Pass over the call of an exit, where nothing is to be seen yet."""

    def entering(self, module: Any, args: Any, kwargs: Any) -> None:
        """Note the call of a module of the part.

        The first of them is its entry, whose shapes go with what is stored.
        """
        if not self._entered:
            self._entered = True
            self.branch.entries[self.column] = id(module), shapes_of(args, kwargs)

    def after(self, module: Any, output: Any) -> None:
        """Note what an exit has returned: it leaves the part, unless another exit follows."""
        tensors, packing = packed(output)
        self._left -= 1
        self._latest = id(module), tensors, packing, list(map(version, tensors))
        if not self._left if self._last is None else id(module) == self._last:
            self._store()

    def close(self) -> None:
        """Store what the last exit returned, unless the host may have changed it in place since."""
        if self._latest is not None:
            _, tensors, _, versions = self._latest
            if None not in versions and versions == list(map(version, tensors)):
                self._store()
            self._latest = None

    def _store(self) -> None:
        assert self._latest is not None
        (exit, tensors, packing, _), self._latest = self._latest, None
        branch, column = self.branch, self.column
        branch.copies.add(column)
        branch.packing[column] = (packing,)
        branch.exits[column] = exit
        branch.put(column, tensors)


class Entry:
    """Shows a deep part that is stored what its first module is given."""

    __slots__ = ("keep",)

    def __init__(self, keep: DeepKeep) -> None:
        self.keep = keep

    def before(self, module: Any, args: Any, kwargs: Any) -> None:
        """Note that the module is called."""
        self.keep.entering(module, args, kwargs)

    def after(self, module: Any, output: Any) -> None:
        """Pass over the end of the call, where nothing is to be seen."""


class Bypass:
    """Whether a deep part is passed by in the call at hand: not if it is given other shapes than what is stored.

    It serves all forwards of its branch.
    """

    __slots__ = ("branch", "call", "column", "computing")

    def __init__(self, branch: BranchState, column: int) -> None:
        self.branch = branch
        self.column = column
        self.call = 0
        self.computing = False

    def computes(self, module: Any, args: Any, kwargs: Any) -> bool:
        """Return whether a module of the part computes; the first of them that is called in a forward decides."""
        branch, column = self.branch, self.column
        if self.call != branch.calls:
            self.call = branch.calls
            shapes, known = shapes_of(args, kwargs), branch.entries.get(column)
            self.computing = known is not None and known[0] == id(module) and known[1] != shapes
            if self.computing:
                branch.entries[column] = id(module), shapes
                branch.computed_after_all(column)
        return self.computing


class DeepBlank(Blank):
    """A module of a deep part that is passed by: a stand-in is returned, whatever it is given."""

    __slots__ = ("bypass",)

    def __init__(self, branch: BranchState, column: int, bypass: Bypass) -> None:
        super().__init__(branch, column)
        self.bypass = bypass

    def __call__(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Stand in for the call of the module."""
        if self.bypass.computes(module, args, kwargs):
            return original(module, *args, **kwargs)
        return self.standing_in(original, module, args, kwargs)


class DeepReuse(Reuse):
    """The exit of a deep part that is passed by returns what is stored."""

    __slots__ = ("bypass",)

    def __init__(self, branch: BranchState, column: int, bypass: Bypass) -> None:
        super().__init__(branch, column)
        self.bypass = bypass

    def __call__(self, original: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """Stand in for the call of the module."""
        if not self.bypass.computes(module, args, kwargs):
            return super().__call__(original, module, args, kwargs)
        output = original(module, *args, **kwargs)
        branch, column = self.branch, self.column
        tensors, packing = packed(output)
        branch.packing[column] = (packing,)
        branch.renew(column, branch.recalls[column], tensors, counted=True)
        return output
