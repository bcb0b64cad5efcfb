"""What slices call an operation with that may couple them, where they meet at it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch


class Uncoupled(Exception):  # noqa: N818  (a verdict on a way of slicing, not the user's error)
    """These slices cannot be computed apart: an operation needs them in a way that is not known here."""


class Parted(Uncoupled):
    """Slices took different paths: some may have been too small for that of the whole."""


class Shared(Enum):
    """Where, in a sequence that slices join their positions to, the stream stands that is the same in all of them."""

    NONE = "nowhere"
    BEFORE = "before their positions"
    AFTER = "after their positions"


@dataclass(frozen=True)
class Request:
    """What a slice calls an operation with.

    Attributes:
        function: the operation.
        args: positional arguments.
        kwargs: keyword arguments.
        positions: how many positions the slice has.
        shared: where a stream may be joined to them that all slices share.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    positions: int = 0
    shared: Shared = Shared.NONE

    @property
    def name(self) -> str:
        """Name of the operation."""
        return self.function.__name__

    def call(self) -> Any:
        """Run the operation on this slice alone."""
        return self.function(*self.args, **self.kwargs)

    def bound(self, names: Sequence[str]) -> dict[str, Any]:
        """Arguments by name; those that are not given are missing."""
        return {**dict(zip(names, self.args, strict=False)), **self.kwargs}


Calls = list[dict[str, Any]]
"""Arguments by name, of each slice."""


def calls(requests: list[Request], names: Sequence[str]) -> Calls:
    """Arguments by name, of each slice; the requests are emptied, so that what is let go here is held nowhere else."""
    found = [request.bound(names) for request in requests]
    requests.clear()
    return found


def axis_of(parts: Sequence[torch.Tensor]) -> int | None:
    """Return the axis along which slices differ; None if they do not.

    Raises:
        Uncoupled: if they differ along several, or in rank.
    """
    if len({p.ndim for p in parts}) > 1:
        raise Uncoupled("slices of different ranks")
    differing = [i for i, lengths in enumerate(zip(*(p.shape for p in parts), strict=True)) if len(set(lengths)) > 1]
    if len(differing) > 1:
        raise Uncoupled("slices along two axes")
    return differing[0] if differing else None
