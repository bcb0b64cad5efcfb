"""Operations on U-Nets: keep the one tensor that leaves a deep part (DeepCache, arXiv 2312.00858)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from ..memory import version
from .leaf import Packing, packed

if TYPE_CHECKING:
    from .lane import Lane


class DeepKeep:
    """Watches a deep part's exits in one forward, and stores what the last called of them returned.

    Which of them that is a lane knows from its first forward; there it is known when all have been called, or the
    forward is over. It is stored as a copy: on the way up FreeU (arXiv 2309.11497) scales the features in place before
    it reads them.
    """

    def __init__(self, lane: Lane, column: int, exits: set[int]) -> None:
        self.lane = lane
        self.column = column
        self.exits = exits
        self._last = lane.exits.get(column) if lane.row else None
        self._left = len(exits)
        self._latest: tuple[int, Sequence[torch.Tensor], Packing, list[int | None]] | None = None

    def before(self, module: Any, args: Any, kwargs: Any) -> None:
        """Nothing is to be seen before the call."""

    def after(self, module: Any, output: Any) -> None:
        """An exit has returned: this is what leaves the part, unless another exit follows."""
        tensors, packing = packed(output)
        self._left -= 1
        self._latest = id(module), tensors, packing, list(map(version, tensors))
        if not self._left if self._last is None else id(module) == self._last:
            self._store()

    def close(self) -> None:
        """No exit follows: store what the last one returned, unless the host may have changed it in place since."""
        if self._latest is not None:
            _, tensors, _, versions = self._latest
            if None not in versions and versions == list(map(version, tensors)):
                self._store()
            self._latest = None

    def _store(self) -> None:
        assert self._latest is not None
        (exit, tensors, packing, _), self._latest = self._latest, None
        lane, column = self.lane, self.column
        lane.copies.add(column)
        lane.packing[column] = (packing,)
        lane.exits[column] = exit
        lane.put(column, tensors)
