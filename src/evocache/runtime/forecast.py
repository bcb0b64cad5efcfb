"""Forecasting features: weights known before the generation starts, and their one use on tensors. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import factorial

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


def combine(values: Iterable[Sequence[torch.Tensor]], by: Sequence[float]) -> list[torch.Tensor] | None:
    """The weighted sum of features (lists of tensors); a single value is handed on as it is.

    Each value is let go before the next is asked for, so that one that is made for this takes its bytes but once.

    Args:
        values: the features, one for each weight.
        by: the weights.

    Returns:
        The sum, in tensors of its own if there are several values; None if their shapes differ.
    """
    left = iter(values)
    parts = next(left)
    if len(by) == 1:
        return list(parts)
    total = [part * by[0] for part in parts]
    for weight in by[1:]:
        del parts
        parts = next(left)
        if [part.shape for part in parts] != [part.shape for part in total]:
            return None
        _add(total, parts, weight)
    return total


def _add(total: Sequence[torch.Tensor], parts: Sequence[torch.Tensor], weight: float) -> None:
    """Add a weighted feature, which is not held afterwards, as the variables of a loop in the caller would do."""
    for whole, part in zip(total, parts, strict=True):
        whole.add_(part, alpha=weight)
