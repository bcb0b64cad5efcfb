"""Parts of what a call returns, put together as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch

from ...model.outputs import pack, unpack

Take = Callable[[Any], None]
"""Takes a part of what a method would return, and does not keep it."""


def call_whole(call: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], take: Take | None) -> Any:
    """Return what a call returns that is not made in parts; it is taken as the only one, if anything takes them."""
    result = call(*args, **kwargs)
    if take is not None:
        take(result)
    return result


def join(parts: Iterable[Any], axes: Sequence[int | None], more: Sequence[int], take: Take | None) -> Any:
    """Put parts of what a call returns together as they come (see `_Joined`); none is held longer than that takes."""
    joined = _Joined(axes, more, take)
    for part in parts:
        given = [part]
        del part
        joined.add(given)
    return joined.whole


class _Joined:
    """Parts, in order, in room for all of them; of parts that were taken, room on the meta device.

    Args:
        axes: for each leaf of a part, the axis along which parts are joined; None for what is the same in all.
        more: how many positions of it come after the first part.
        take: what takes each part, if anything does.
    """

    def __init__(self, axes: Sequence[int | None], more: Sequence[int], take: Take | None = None) -> None:
        self._axes = axes
        self._more = more
        self._take = take
        self._whole: list[Any] = []
        self._filled = [0] * len(axes)
        self._spec: Any = None

    def add(self, part: list[Any]) -> None:
        """Add what the list holds; it is taken out, so that nobody holds it longer than that takes."""
        leaves, spec = unpack(part[0])
        if self._take is not None:
            self._take(part[0])
        part.clear()
        if not self._whole:
            self._spec = spec
            self._whole = [
                leaf if axis is None else self._room(leaf, axis, leaf.shape[axis] + more)
                for leaf, axis, more in zip(leaves, self._axes, self._more, strict=True)
            ]
        for i, axis in enumerate(self._axes):
            if axis is not None and self._take is None:
                size = leaves[i].shape[axis]
                self._whole[i].narrow(axis, self._filled[i], size).copy_(leaves[i])
                self._filled[i] += size

    def _room(self, part: torch.Tensor, axis: int, length: int) -> torch.Tensor:
        shape = list(part.shape)
        shape[axis] = length
        if self._take is None:
            return part.new_empty(shape)
        return torch.empty((), dtype=part.dtype, device="meta").expand(shape)

    @property
    def whole(self) -> Any:
        """All parts together."""
        return pack(
            [x.contiguous() if isinstance(x, torch.Tensor) and x.is_meta else x for x in self._whole], self._spec
        )
