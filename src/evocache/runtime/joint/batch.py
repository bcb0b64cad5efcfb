"""The lanes of a joint call, and the tensors of which each has a part."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

from ...memory.batch_parts import is_part, join_parts, mark_written, part_of, split_parts
from ..ops.recompute import Apart

Size = Callable[[int], int]
"""How many rows are computed for so many."""


class Batch:
    """The lanes of a joint call, and which of them are computed at the moment.

    Args:
        rows: of each lane.
        size: how many rows are computed for so many; as many, if it is not given.

    Attributes:
        rows: of each lane.
        padding: rows at the end of the batch at hand that are nobody's.
        present: the lanes in the batch at hand, in order; within a module that some lanes pass by, the others alone.
    """

    def __init__(self, rows: Sequence[int], size: Size | None = None) -> None:
        self.rows = rows
        self._size = size
        self.present: Sequence[int] = range(len(rows))
        self.padding = self._pad()
        self._parts: dict[int, tuple[weakref.ref[torch.Tensor], int, Sequence[int], list[weakref.ref[torch.Tensor]]]]
        self._parts = {}
        self._watched: list[tuple[torch.Tensor, int, list[torch.Tensor]]] = []

    def _pad(self) -> int:
        total = sum(self.rows[lane] for lane in self.present)
        return 0 if self._size is None else self._size(total) - total

    @contextmanager
    def among(self, lanes: Sequence[int]) -> Iterator[None]:
        """Have only these lanes in the batch, within the context."""
        before = self.present, self.padding
        self.present = lanes
        self.padding = self._pad()
        try:
            yield
        finally:
            self.present, self.padding = before

    def split(self, tensor: torch.Tensor, times: int) -> list[torch.Tensor]:
        """Return views of the rows of each lane that is present, and nobody's rows no longer.

        Raises:
            Apart: if it has another number of rows.
        """
        counts = [self.rows[lane] * times for lane in self.present]
        if len(tensor) != sum(counts) + self.padding * times:
            raise Apart
        return list(torch.split(tensor, [*counts, self.padding * times]))[: len(counts)]

    def split_stored(self, tensor: torch.Tensor, times: int, stored: Sequence[bool]) -> list[torch.Tensor]:
        """Return the rows of each lane that is present; of those that store them, as parts that count writes apart.

        Args:
            tensor: the whole.
            times: its entries a row.
            stored: which lanes store them.

        Raises:
            Apart: if it has another number of rows.
        """
        if not all(stored) or self.padding:
            views = self.split(tensor, times)
            return [part_of(view) if own else view for view, own in zip(views, stored, strict=True)]
        counts = [self.rows[lane] * times for lane in self.present]
        if tensor.shape[0] != sum(counts):
            raise Apart
        return split_parts(tensor, counts)

    def join(self, parts: Sequence[torch.Tensor], times: int) -> torch.Tensor:
        """Return the rows of the lanes that are present, and further ones, which are copies of the first, as one."""
        if not self.padding:
            return join_parts(parts)
        first = parts[0][:times]
        return torch.cat([*parts, first.repeat(self.padding, *[1] * (first.ndim - 1))])

    def note_parts(self, tensor: torch.Tensor, parts: Sequence[torch.Tensor]) -> None:
        """Remember of what a tensor was made: while it is as it was, its parts are these very tensors."""
        present = tuple(self.present)
        self._parts[id(tensor)] = (weakref.ref(tensor), tensor._version, present, [weakref.ref(p) for p in parts])

    def parts(self, tensor: torch.Tensor, times: int) -> Sequence[torch.Tensor]:
        """Return the parts of a tensor for the lanes present; the same tensors as long as somebody has them.

        Raises:
            Apart: if it has another number of rows.
        """
        known = self._parts.get(id(tensor))
        if known is not None:
            of, version, present, parts = known
            alive = [part() for part in parts]
            if of() is tensor and version == tensor._version and present == tuple(self.present):
                found = [part for part in alive if part is not None]
                if len(found) == len(alive):
                    return found
        found = self.split(tensor, times)
        self.note_parts(tensor, found)
        return found

    def watch(self, whole: torch.Tensor, parts: Sequence[torch.Tensor]) -> None:
        """Look at the end of the call whether somebody wrote into parts by way of the whole."""
        mine = [part for part in parts if is_part(part)]
        if mine:
            self._watched.append((whole, whole._version, mine))

    def end(self) -> None:
        """Mark what was written into by way of the whole: it is stale for whoever has stored it."""
        for whole, version, parts in self._watched:
            if whole._version != version:
                for part in parts:
                    mark_written(part)
        self._watched.clear()
