"""The arguments of one module's call in a joint call, and those of each lane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from ..ops.stored_output import Packing, packed, repacked
from .batch import Batch

_LEAVES = frozenset((type(None), bool, int, float, str, torch.dtype, torch.device))
"""Types of arguments that hold no tensors, beside tensors themselves."""


class _Plain(NamedTuple):
    """How arguments are built around other tensors, where none of them is nested.

    Attributes:
        values: positional and named arguments, in their order.
        places: of the tensors among these.
        names: of the named ones.
    """

    values: list[Any]
    places: list[int]
    names: Sequence[str]

    def around(self, tensors: Sequence[torch.Tensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments, built around other tensors."""
        values = self.values.copy()
        for place, tensor in zip(self.places, tensors, strict=True):
            values[place] = tensor
        count = len(values) - len(self.names)
        return tuple(values[:count]), dict(zip(self.names, values[count:], strict=True))


class Given:
    """The arguments of one module's call, split by lanes where somebody wants to know them.

    Args:
        batch: the lanes.
        args: positional arguments of the whole batch.
        kwargs: its named arguments.

    Attributes:
        wholes: the tensors among them.
    """

    def __init__(self, batch: Batch, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._batch = batch
        self._present = batch.present
        self._times: Sequence[int] = ()
        self._own: list[Any] | None = None
        self._like: dict[int, Any] = {}
        values, places = [*args, *kwargs.values()], []
        for at, value in enumerate(values):
            kind = type(value)
            if kind is torch.Tensor:
                places.append(at)
            elif kind not in _LEAVES:
                self.wholes, self._packing = self._nested(args, kwargs)
                return
        self.wholes = [values[at] for at in places]
        self._packing = _Plain(values, places, tuple(kwargs))

    @staticmethod
    def _nested(args: Any, kwargs: Any) -> tuple[list[torch.Tensor], _Plain | Packing]:
        return packed((args, kwargs))

    def read(self, times: Sequence[int]) -> None:
        """Note which of the tensors have rows: entries a row of each; 0 where it has none."""
        self._times = times

    def own(self, at: int) -> Any:
        """Return the arguments of one of the lanes present."""
        if self._own is None:
            lanes = len(self._present)
            split = [
                self._batch.parts(whole, n) if n else [whole] * lanes
                for whole, n in zip(self.wholes, self._times, strict=True)
            ]
            parts = zip(*split, strict=True) if split else [()] * lanes
            self._own = [self._around(list(own)) for own in parts]
        return self._own[at]

    def like(self, at: int) -> Any:
        """Return arguments of the shapes of one of the lanes present; what is in them is another's."""
        rows = self._batch.rows[self._present[at]]
        if rows not in self._like:
            parts = [whole[: rows * n] if n else whole for whole, n in zip(self.wholes, self._times, strict=True)]
            self._like[rows] = self._around(parts)
        return self._like[rows]

    def _around(self, tensors: list[torch.Tensor]) -> Any:
        packing = self._packing
        return packing.around(tensors) if isinstance(packing, _Plain) else repacked(tensors, packing)
