"""Operations on U-Nets: keep the one tensor that leaves a deep part (DeepCache, arXiv 2312.00858)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .leaf import packed

if TYPE_CHECKING:
    from .lane import Lane


class DeepKeep:
    """Watches a deep part's exits, and stores what the last called of them returned.

    It is stored as a copy: on the way up FreeU (arXiv 2309.11497) scales the features in place before it reads them.
    """

    def __init__(self, lane: Lane, column: int, exits: set[int]) -> None:
        self.lane = lane
        self.column = column
        self.exits = exits

    def before(self, module: Any, args: Any, kwargs: Any) -> None:
        """Nothing is to be seen before the call."""

    def after(self, module: Any, output: Any) -> None:
        """An exit has returned: this is what leaves the part, unless another exit follows."""
        tensors, packing = packed(output)
        self.lane.copies.add(self.column)
        self.lane.packing[self.column] = (packing,)
        self.lane.exits[self.column] = id(module)
        self.lane.put(self.column, tensors)
