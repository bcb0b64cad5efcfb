"""Forecasting features: weights known before the generation starts, and their one use on tensors. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import factorial
from typing import cast

import torch


def weights(computed: Sequence[int], step: int, gain: float = 1.0) -> tuple[float, ...]:
    """Weights of the last computed values in the forecast for `step`.

    The Taylor forecast of TaylorSeer (arXiv 2503.06923, eq. 5-7): derivatives by repeated backward differences over
    the computed steps, then the Taylor series at the latest of them. It is linear in the values, so weights suffice.
    `gain` scales the change against the latest value: 0 is reuse, 1 the full Taylor forecast.

    Args:
        computed: the steps at which the values were computed, latest first; one more than the order.
        step: the step to forecast.
        gain: how much of the extrapolated change to apply.

    Returns:
        One weight for each computed value, latest first; they add up to 1.
    """
    count = len(computed)
    rows = [[1.0 if i == j else 0.0 for j in range(count)] for i in range(count)]
    out = list(rows[0])
    ahead = step - computed[0]
    for order in range(1, count):
        rows = [
            [(a - b) / (computed[i] - computed[i + 1]) for a, b in zip(rows[i], rows[i + 1], strict=True)]
            for i in range(count - order)
        ]
        scale = gain * ahead**order / factorial(order)
        out = [o + scale * w for o, w in zip(out, rows[0], strict=True)]
    return tuple(out)


PIECE = {"cpu": 1 << 16}
"""Elements that are summed at once in single precision, by device: what its cache holds; elsewhere few launches."""

_PIECE = 1 << 22

HALF = (torch.float16, torch.bfloat16)
"""Types whose sums are made in single precision."""


def sum_bytes(size: int, *, whole: bool) -> int:
    """Return bytes that a sum of halves takes in single precision, beside its terms and the sum as it is handed out.

    Args:
        size: bytes of the sum.
        whole: whether it is summed as a whole, as what is decoded for it is, and not a piece at a time.
    """
    return 2 * size if whole else min(2 * size, 4 * _PIECE)


def combine(values: Iterable[Sequence[torch.Tensor]], by: Sequence[float]) -> list[torch.Tensor] | None:
    """Sum features (lists of tensors) by their weights; a single value is handed on as it is.

    Sums of half-precision tensors are made in single precision and rounded once: weights such as 5, -6 and 2 leave the
    range of float16 on the way to a sum that is within it. Values given as a sequence are held by the caller anyway,
    and are summed a piece at a time. Of others each is let go before the next is asked for, so that one that is made
    for this takes its bytes but once; the sum takes those of single precision until it is complete.

    Args:
        values: the features, one for each weight.
        by: the weights.

    Returns:
        The sum, in tensors of its own if there are several values; None if their shapes differ.
    """
    if len(by) == 1:
        return list(next(iter(values)))
    if isinstance(values, Sequence):
        if any(len(feature) != len(values[0]) for feature in values):
            return None
        sums = [combine_one(column, by) for column in zip(*values, strict=True)]
        return None if any(whole is None for whole in sums) else [whole for whole in sums if whole is not None]
    left = iter(values)
    parts = next(left)
    types = [part.dtype for part in parts]
    total = [_scaled(part, by[0]) for part in parts]
    for weight in by[1:]:
        del parts
        parts = next(left)
        if [part.shape for part in parts] != [part.shape for part in total]:
            return None
        _add(total, parts, weight)
    del parts
    for i, dtype in enumerate(types):
        total[i] = total[i].to(dtype)
    return total


def combine_one(parts: Sequence[torch.Tensor | None], by: Sequence[float]) -> torch.Tensor | None:
    """Sum two tensors or more by their weights, as `combine` does; None if one is missing or of another shape."""
    first, *rest = parts
    if first is None:
        return None
    shape = first.shape
    for part in rest:
        if part is None or part.shape != shape:
            return None
    known = cast("Sequence[torch.Tensor]", parts)
    return _halves(known, by) if first.dtype in HALF else _sum(known, by)


def _halves(parts: Sequence[torch.Tensor], by: Sequence[float]) -> torch.Tensor:
    """The weighted sum of tensors of half precision, a piece at a time."""
    first = parts[0]
    size = PIECE.get(first.device.type, _PIECE)
    if first.numel() <= size:
        return _sum(parts, by).to(first.dtype)
    made = torch.empty_like(first, memory_format=torch.contiguous_format)
    flat = [part.reshape(-1) for part in parts]
    for at in range(0, first.numel(), size):
        made.view(-1)[at : at + size] = _sum([part[at : at + size] for part in flat], by)
    return made


def _sum(parts: Sequence[torch.Tensor], by: Sequence[float]) -> torch.Tensor:
    """The weighted sum, of halves in single precision."""
    total = _scaled(parts[0], by[0])
    for i in range(1, len(by)):
        total.add_(parts[i], alpha=by[i])
    return total


def _scaled(part: torch.Tensor, weight: float) -> torch.Tensor:
    """A tensor times a weight, of halves in single precision."""
    return part.float().mul_(weight) if part.dtype in HALF else part * weight


def _add(total: Sequence[torch.Tensor], parts: Sequence[torch.Tensor], weight: float) -> None:
    """Add a weighted feature, which is not held afterwards, as the variables of a loop in the caller would do."""
    for whole, part in zip(total, parts, strict=True):
        whole.add_(part, alpha=weight)
