"""Forecasting features: weights known before the generation starts, and their one use on tensors. Pure."""

from __future__ import annotations

from collections.abc import Sequence
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


def combine(values: Sequence[Sequence[torch.Tensor]], by: Sequence[float]) -> list[torch.Tensor]:
    """The weighted sum of features (lists of tensors of equal shapes); a single value is handed on as it is."""
    if len(values) == 1:
        return list(values[0])
    out = []
    for parts in zip(*values, strict=True):
        total = parts[0] * by[0]
        for part, weight in zip(parts[1:], by[1:], strict=True):
            total.add_(part, alpha=weight)
        out.append(total)
    return out
