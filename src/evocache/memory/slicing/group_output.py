"""Handing on what a part of a module gives, in the middle of a call that goes on with one pixel of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch.overrides import handle_torch_function, has_torch_function_unary

from .coupling_requests import Request, axis_of


class GroupConsumer(Protocol):
    """What a group is handed to."""

    def pass_on(self, group: torch.Tensor) -> None:
        """Take a group; whoever calls it holds it no longer than this call."""


def emit_group(group: torch.Tensor, taker: GroupConsumer) -> torch.Tensor:
    """Hand on a group, together with what other slices have of it; returns one pixel of each of its frames."""
    if has_torch_function_unary(group):
        return handle_torch_function(emit_group, (group,), group, taker)
    pixel = group[..., :1, :1].clone()
    taker.pass_on(group)
    return pixel


def emit_joined_group(requests: list[Request]) -> Iterator[torch.Tensor]:
    """Slices of a group, joined and handed on."""
    parts, taker = [request.args[0] for request in requests], requests[0].args[1]
    requests.clear()
    axis = axis_of(parts)
    pixels = [part[..., :1, :1].clone() for part in parts]
    group = parts[:1] if axis is None else [torch.cat(parts, axis)]
    parts.clear()
    taker.pass_on(group.pop())
    yield from pixels


class ReadOnceDict(dict[Any, Any]):
    """What a decoder keeps of one group for the next: each value is let go when it is taken."""

    def get(self, key: Any, default: Any = None) -> Any:
        """Refuse the value, which is not here any more."""
        return self.pop(key, default)

    def __getitem__(self, key: Any) -> Any:
        return self.pop(key)


def read_once(value: Any) -> Any:
    """Nested dictionaries, each of whose values may be taken once; anything else as it is."""
    return ReadOnceDict({name: read_once(part) for name, part in value.items()}) if type(value) is dict else value
