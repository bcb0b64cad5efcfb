"""Operations on U-Nets: keep the one tensor that leaves a deep part (DeepCache, arXiv 2312.00858)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .leaf import packed

if TYPE_CHECKING:
    from .lane import Lane


class DeepKeep:
    """Watches a deep part's exits, holds what the last called of them returned, and stores it at the entry."""

    def __init__(self, lane: Lane, column: int, exits: set[int], entry: set[int]) -> None:
        self.lane = lane
        self.column = column
        self.exits = exits
        self.entry = entry
        self.pending: tuple[int, Any] | None = None

    def before(self, module: Any, args: Any, kwargs: Any) -> None:
        """A module is called: if it is the first beyond the part, what left the part is stored."""
        if self.pending is not None and id(module) in self.entry:
            exit_, output = self.pending
            self.pending = None
            tensors, packing = packed(output)
            self.lane.packing[self.column] = [packing]
            self.lane.exits[self.column] = exit_
            self.lane.put(self.column, tensors)

    def after(self, module: Any, output: Any) -> None:
        """A module has returned: if it is an exit, this may be what leaves the part."""
        if id(module) in self.exits:
            self.pending = (id(module), output)

    def close(self) -> None:
        """The denoiser call is over."""
        self.pending = None
