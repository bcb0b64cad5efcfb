"""Decoding group of frames by group: what comes of each is handed on at once, and the whole need not be held.

Decoders that look back in time only are called for one group of frames after another, and keep what a group needs of
those before it. Their `decode` collects what comes and returns it together. Here each group is handed on as it comes;
what the method goes on with in its place is one pixel of it. What the method does to the whole at its end (clamping,
say) is done to each group, by calling the method once more for one group, with what came in the decoder's place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_unflatten

from ...memory.planner.footprint import Cut
from ...memory.rehearsal.rehearsal import outline
from ...memory.slicing.group_output import emit_group, read_once
from ...memory.slicing.slicing import FrameGroups, Instead, alone, in_slices, meeting_twin, run, twin
from ...model.outputs import pack, unpack
from .frame_pipeline import run_frame_pipeline
from .output_parts import Take
from .temporal_tiles import run_temporal_tiles


def run_cut(
    module: nn.Module,
    method: str,
    how: Cut,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    take: Take | None = None,
    rehearsed: bool = False,
) -> Any:
    """Call a method in slices, side by side or one after the other, or group by group, or both.

    Args:
        module: the module; what the call leaves on it is left on a twin.
        method: the method's name.
        how: how the call is cut.
        args: positional arguments.
        kwargs: keyword arguments.
        take: what takes each part, where they come one after the other; when not given, they are kept and joined.
        rehearsed: where only bytes matter, not values.

    Returns:
        What the method returns; on the meta device, if its parts were taken.
    """
    slicing = how.slicing
    if slicing.pipeline is not None:
        return run_frame_pipeline(module, method, slicing, how.slices, args, kwargs, take)
    if slicing.windows is not None:
        return run_temporal_tiles(module, method, slicing, args, kwargs, take)
    if slicing.groups is None:
        return run(alone(module, method), slicing, how.slices, args, kwargs, rehearsed=rehearsed)
    leaves, spec = unpack((args, dict(kwargs)))
    del args, kwargs
    gate = _Gate(module, method, slicing.groups, leaves, spec, take)
    parts = slicing.sizes(slicing.length(leaves), how.slices) if how.slices > 1 else []
    if len(parts) > 1:
        for _ in in_slices(gate.call, slicing, parts, leaves, spec):
            pass
    else:
        own, named = tree_unflatten(leaves, spec)
        gate.call(*own, **named)
    return gate.whole()


class _Gate:
    """What groups pass through on their way out of a method.

    Args:
        module: the module.
        method: the method.
        groups: how it works in groups.
        leaves: leaves of the call's arguments.
        spec: how these are nested.
        take: what takes each group; they are kept here when not given.
    """

    def __init__(
        self, module: nn.Module, method: str, groups: FrameGroups, leaves: list[Any], spec: Any, take: Take | None
    ) -> None:
        self._module = module
        self._method = method
        self._groups = groups
        self._leaves = leaves
        self._spec = spec
        self._take = take
        self._kept: list[list[Any]] = []
        self._form: Any = None
        self._first = 0
        """Positions of the first group."""
        self._rest = 0
        """How much the part gives besides a group."""

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The method, on a twin of the module whose part hands on what it gives."""
        made = meeting_twin(self._module)
        part = made.get_submodule(self._groups.part)

        def handing(*args: Any, **kwargs: Any) -> Any:
            self._seen((args, kwargs))
            result = part(*args, **kwargs)
            del args, kwargs
            if isinstance(result, torch.Tensor):
                return emit_group(result, self)
            group, *rest = result
            self._rest = len(rest)
            del result
            return (emit_group(group, self), *map(read_once, rest))

        made.__dict__[self._groups.part] = Instead(part, handing)
        return getattr(made, self._method)(*args, **kwargs)

    def _seen(self, given: Any) -> None:
        if not self._first:
            latents = next(leaf for leaf in unpack(given)[0] if isinstance(leaf, torch.Tensor))
            self._first = latents.shape[self._groups.axis]

    def pass_on(self, group: torch.Tensor) -> None:
        """Finish a group as the method would, and hand it on."""
        given = [group]
        del group
        finished = self._finished(given)
        if self._take is not None:
            self._take(finished)
        leaves, self._form = unpack(finished)
        del finished
        self._kept.append(
            [outline(x.shape, x.dtype) if self._take and isinstance(x, torch.Tensor) else x for x in leaves]
        )

    def _finished(self, given: list[torch.Tensor]) -> Any:
        def instead(*_: Any, **__: Any) -> Any:
            return (given.pop(), *[None] * self._rest) if self._rest else given.pop()

        made = twin(self._module)
        made.__dict__[self._groups.part] = Instead(made.get_submodule(self._groups.part), instead)
        leaves = list(self._leaves)
        leaves[self._groups.main] = leaves[self._groups.main].narrow(self._groups.axis, 0, self._first)
        args, kwargs = tree_unflatten(leaves, self._spec)
        return getattr(made, self._method)(*args, **kwargs)

    def whole(self) -> Any:
        """All groups together; they are let go."""
        joined: list[Any] = []
        for i, first in enumerate(self._kept[0]):
            parts = [group[i] for group in self._kept]
            if isinstance(first, torch.Tensor):
                shape = list(first.shape)
                shape[self._groups.axis] = sum(part.shape[self._groups.axis] for part in parts)
                joined.append(first.new_empty(shape) if self._take else torch.cat(parts, self._groups.axis))
            else:
                joined.append(first)
        self._kept.clear()
        return pack(joined, self._form)
