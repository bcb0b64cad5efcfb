"""Decoding by tiles of time that are blended: each is made once, and the frames that are ready are handed on.

Some methods cut a long video into tiles that overlap in time, decode one after the other, and blend what they have in
common at the end, when they hold all of them. Here the method is called for a window of the video: a tile and the one
before it, of which what was decoded is kept. The frames of that tile are then as they will be in the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_unflatten

from ...memory.slicing.coupling_requests import Parted
from ...memory.slicing.slicing import TIME, Instead, Slicing, twin
from ...model.outputs import pack, unpack
from .output_parts import Take, call_whole, join


def run_temporal_tiles(
    module: nn.Module, method: str, slicing: Slicing, args: Any, kwargs: Any, take: Take | None = None
) -> Any:
    """Call a method window by window.

    Args:
        module: the module; what the call leaves on it is left on a twin.
        method: the method's name.
        slicing: how it is cut; it has windows. A call of another form than was tried runs whole.
        args: positional arguments.
        kwargs: keyword arguments.
        take: what takes the frames of each tile, and does not keep them; when not given, they are joined.

    Returns:
        What the method returns; on the meta device, if that was taken.
    """
    leaves, spec = unpack((args, dict(kwargs)))
    windows, length = slicing.windows, slicing.length(leaves)
    assert windows is not None
    if windows.count(length) < 2:
        return call_whole(getattr(twin(module), method), args, kwargs, take)
    del args, kwargs
    ends = windows.ends(length)
    more = [ends[-1] - ends[0]] * len(slicing.outputs)
    return join(decode_in_temporal_tiles(module, method, slicing, leaves, spec), slicing.outputs, more, take)


def decode_in_temporal_tiles(
    module: nn.Module, method: str, slicing: Slicing, leaves: Sequence[Any], spec: Any
) -> Iterator[Any]:
    """Return the frames of each tile, in order, as they are in the whole; each is made when it is asked for.

    Args:
        module: the module.
        method: the method's name.
        slicing: how it is cut; it has windows.
        leaves: leaves of the whole call's arguments.
        spec: how these are nested.

    Raises:
        Parted: if the method does not cut a window as it cuts the whole.
    """
    windows = slicing.windows
    assert windows is not None
    length = slicing.length(leaves)
    ends = windows.ends(length)
    kept: torch.Tensor | None = None
    for k, end in enumerate(ends):
        first = max(k - windows.back, 0)
        start = first * windows.stride
        made = twin(module)
        tile = _Tile(made.get_submodule(windows.part), k - first, kept, windows.rate)
        made.__dict__[windows.part] = Instead(tile.part, tile)
        args, kwargs = tree_unflatten(slicing.cut(leaves, start, min(k * windows.stride + windows.tile, length)), spec)
        out, form = unpack(getattr(made, method)(*args, **kwargs))
        kept = tile.made
        if kept is None:
            raise Parted("a window without a tile of its own")
        before = ends[k - 1] if k else 0
        for i, axis in enumerate(slicing.outputs):
            if axis is not None:
                out[i] = out[i].narrow(axis, before - start * windows.rate, end - before)
        yield pack(out, form)
        del out


class _Tile:
    """What stands in the place of a part that is called for each tile of a window: one is computed, no other.

    Args:
        part: the part.
        own: which tile is computed.
        kept: what the part gave for the one before.
        rate: frames for each position.
    """

    def __init__(self, part: nn.Module, own: int, kept: torch.Tensor | None, rate: int) -> None:
        self.part = part
        self.made: torch.Tensor | None = None
        self._own = own
        self._kept = kept
        self._rate = rate
        self._calls = 0
        self._length = 0

    def __call__(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """The tile, if it is the window's own; what was kept; or nothing of that shape."""
        self._calls += 1
        if self._calls == self._own:
            return self._kept
        if self._calls == self._own + 1:
            self._length = x.shape[TIME]
            self.made = self.part(x, *args, **kwargs)
            return self.made
        like = self._kept if self._calls < self._own else self.made
        assert like is not None
        shape = list(like.shape)
        if self._calls > self._own:
            shape[TIME] += self._rate * (x.shape[TIME] - self._length)
        return like.new_zeros(shape)
