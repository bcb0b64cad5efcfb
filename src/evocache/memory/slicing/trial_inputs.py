"""What a trial shows: few positions of a call's arguments, with values of its own, and a double of the module."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

TRIED = 7
"""Positions of the axis that a trial is made with."""

BESIDE = 3
"""Positions of the other axes that it is made with, where the module runs on so few."""

DRAWN = 1_000_003
"""Random numbers that the weights of a double are made of."""


def samples(leaves: Sequence[Any], main: int, along: int) -> Iterator[Sequence[Any]]:
    """Parts of a call's leaves, with fewer or more positions on the axes that are not cut: what is cheap comes first.

    Args:
        leaves: leaves of the arguments.
        main: which of them is cut.
        along: the axis that it is cut along.
    """
    rows = cropped(leaves, main, along, 2, BESIDE)
    yield cropped(rows, main, along, 0, BESIDE)
    if along:
        yield from _framed(rows, main)
    yield rows
    yield cropped(leaves, main, along, 2, BESIDE, everywhere=True)
    yield cropped(leaves, main, along, 0, TRIED)
    yield cropped(leaves, main, along, 2, TRIED)
    yield leaves


def cropped(
    leaves: Sequence[Any], main: int, along: int, first: int, most: int, *, everywhere: bool = False
) -> Sequence[Any]:
    """Leaves with few positions on the axes from `first` on, too, where they are like the main one, or anywhere."""
    features = leaves[main]
    for axis in range(first, features.ndim):
        if axis not in (along, channels(features)) and features.shape[axis] > most:
            for other in range(features.ndim if everywhere else 0):
                beside = [None if i == main else leaf for i, leaf in enumerate(leaves)]
                beside = list(narrowed(beside, other, features.shape[axis], most))
                leaves = [leaves[i] if i == main else leaf for i, leaf in enumerate(beside)]
            leaves = narrowed(leaves, axis, features.shape[axis], most)
    return leaves


def _framed(leaves: Sequence[Any], main: int) -> Iterator[Sequence[Any]]:
    """Leaves with few frames, where frames lie within the first axis and their number is given, or can be seen."""
    length = leaves[main].shape[0]
    given = {leaf for leaf in leaves if type(leaf) is int}
    seen = {leaf.shape[1] for leaf in leaves if isinstance(leaf, torch.Tensor) and leaf.ndim == 2}
    for frames in sorted(n for n in given | seen if BESIDE < n <= length and length % n == 0):
        out = list(narrowed(leaves, 0, length, length // frames * BESIDE))
        for i, leaf in enumerate(leaves):
            if type(leaf) is int and leaf == frames:
                out[i] = BESIDE
            elif isinstance(leaf, torch.Tensor) and leaf.shape == (length // frames, frames):
                out[i] = leaf.narrow(1, 0, BESIDE)
        yield out


def narrowed(leaves: Sequence[Any], axis: int, length: int, most: int) -> Sequence[Any]:
    """Leaves with the first positions of an axis, as far as they have so many of them."""
    return [
        leaf.narrow(axis, 0, most)
        if isinstance(leaf, torch.Tensor) and leaf.ndim > axis and leaf.shape[axis] == length
        else leaf
        for leaf in leaves
    ]


def channels(tensor: torch.Tensor) -> int:
    """Return the axis of channels: the last of tokens, the second of images and videos."""
    return tensor.ndim - 1 if tensor.ndim < 4 else 1


def at_random(leaf: Any) -> Any:
    """Return a leaf with random values of its own, on the CPU, in float32; what is no number is all set."""
    if not isinstance(leaf, torch.Tensor):
        return leaf
    if leaf.is_floating_point() or leaf.is_complex():
        return torch.randn(leaf.shape, dtype=_type(leaf), generator=torch.Generator().manual_seed(leaf.numel()))
    return torch.ones(leaf.shape, dtype=leaf.dtype) if leaf.dtype is torch.bool else zeros(leaf)


def blanks(leaves: Sequence[Any]) -> list[Any]:
    """Leaves as a double would be called with them, on the meta device: of its type, which need not be the module's."""
    return [
        torch.empty_strided(leaf.shape, leaf.stride(), dtype=_type(leaf), device="meta")
        if isinstance(leaf, torch.Tensor)
        else leaf
        for leaf in leaves
    ]


def _type(leaf: torch.Tensor) -> torch.dtype:
    if leaf.is_complex():
        return torch.complex64
    return torch.float32 if leaf.is_floating_point() else leaf.dtype


def zeros(leaf: Any) -> Any:
    """Return a leaf of zeros, on the CPU, in float32 if it is of floating point."""
    if not isinstance(leaf, torch.Tensor):
        return leaf
    return torch.zeros(leaf.shape, dtype=torch.float32 if leaf.is_floating_point() else leaf.dtype)


def double(module: nn.Module) -> nn.Module:
    """Return a copy of a module with random weights of its own, in float32 on the CPU.

    Weights of a full-size block take longer to draw than to multiply with. So fewer are drawn, and used again and
    again; their number is a prime, so that no two rows of a matrix, and hardly any two parameters, are alike.
    """
    drawn = torch.rand(DRAWN, generator=torch.Generator().manual_seed(0)) * 2 - 1
    memo: dict[int, Any] = {}
    at = 0
    for parameter in module.parameters():
        out = torch.empty(parameter.shape)
        most = (3 / parameter[0].numel()) ** 0.5 if parameter.ndim > 1 else 0.3
        flat, filled = out.view(-1), 0
        while filled < len(flat):
            some = drawn[at : at + len(flat) - filled]
            torch.mul(some, most, out=flat[filled : filled + len(some)])
            filled, at = filled + len(some), (at + len(some)) % DRAWN
        memo[id(parameter)] = nn.Parameter(out.add_(parameter.ndim == 1), requires_grad=False)
    for buffer in module.buffers():
        memo[id(buffer)] = at_random(buffer)
    return copy.deepcopy(module, memo).eval()


def overridden(module: nn.Module, method: str) -> bool:
    """Return whether somebody put something over a module's method.

    Our own listening, which passes it on, does not count.
    """
    over = module.__dict__.get(method)
    return over is not None and not getattr(over, "covers_class", False)


def many(value: Any) -> tuple[Any, ...]:
    """Return what is given by itself or several times, as several."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)
