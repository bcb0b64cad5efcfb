"""Operations that couple the slices of an axis, done for all slices together, exactly.

Each takes what every slice calls the operation with, in order, and yields what each gets back, lazily, so that a slice
may run on, and let its input go, before the next is answered. What a slice called with is let go as soon as no later
one needs it: of all slices together, little more is held than the input of those that wait and the output of those
that ran on. The axis is the one along which the shapes differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from .attention import attention
from .convolution_modules import run_convolution_modules
from .convolutions import convolution, pad
from .coupling_requests import Request, Shared, Uncoupled, axis_of, calls
from .group_output import emit_joined_group

__all__ = ["COUPLINGS", "Request", "Shared", "Uncoupled"]


def group_norm(requests: list[Request]) -> Iterator[torch.Tensor]:
    """Statistics of all slices first, by the formula of Chan et al. (1979, eq. 2.1); then each is normalised."""
    function = requests[0].function
    given = calls(requests, ("input", "num_groups", "weight", "bias", "eps"))
    axis = axis_of([c["input"] for c in given])
    if axis in (None, 0):
        while given:
            yield function(**given.pop(0))
        return
    if axis == 1:
        raise Uncoupled("channels are normalised in groups")
    by, to = scales([moments(c["input"], c["num_groups"]) for c in given], given[0])
    while given:
        yield scaled(given.pop(0)["input"], by, to)


Moments = tuple[int, torch.Tensor, torch.Tensor]
"""Count, mean and sum of squared deviations of each group: (batch, groups)."""


def scales(parts: Sequence[Moments], given: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return by what a group norm multiplies each channel, and what it adds, from the moments of all slices.

    Args:
        parts: of each slice.
        given: the operation's arguments, by name.
    """
    weight, bias, eps = given.get("weight"), given.get("bias"), given.get("eps", 1e-5)
    count = sum(n for n, _, _ in parts)
    mean = torch.stack([m * (n / count) for n, m, _ in parts]).sum(0)
    spread = torch.stack([s + n * (m - mean).square() for n, m, s in parts]).sum(0)
    width = given["input"].shape[1] // given["num_groups"]
    by = (spread / count + eps).rsqrt().repeat_interleave(width, 1)
    to = -mean.repeat_interleave(width, 1) * by
    if weight is not None:
        by, to = by * weight, to * weight
    if bias is not None:
        to = to + bias
    return by, to


def scaled(x: torch.Tensor, by: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
    """Return a slice times one factor for each channel, plus one term."""
    shape = (x.shape[0], x.shape[1], *[1] * (x.ndim - 2))
    return torch.addcmul(to.view(shape), x.to(by.dtype), by.view(shape)).to(x.dtype)


def moments(x: torch.Tensor, groups: int) -> Moments:
    """Moments of a slice, in float32 at least."""
    grouped = x.reshape(x.shape[0], groups, -1, *x.shape[2:]).to(torch.float32 if x.dtype.itemsize < 4 else x.dtype)
    dims = tuple(range(2, grouped.ndim))
    variance, mean = torch.var_mean(grouped, dim=dims, correction=0)
    count = math.prod(grouped.shape[2:])
    return count, mean, variance * count


def product(requests: list[Request]) -> Iterator[torch.Tensor]:
    """Matrix products in which the axis is summed over, as linear attention does: the sum of all slices' products."""
    function = requests[0].function
    given = [list(request.args) for request in requests]
    plain = all(
        len(args) == 2 and isinstance(args[1], torch.Tensor) and not r.kwargs
        for args, r in zip(given, requests, strict=True)
    )
    summed = plain and len({args[0].shape[-1] for args in given}) > 1
    if not summed:
        del given
        while requests:
            yield requests.pop(0).call()
        return
    requests.clear()
    if axis_of([args[0] for args in given]) != given[0][0].ndim - 1 or min(args[1].ndim for args in given) < 2:
        raise Uncoupled("a matrix product of slices along another axis, too")
    whole = function(*given.pop(0))
    slices = len(given) + 1
    while given:
        whole = whole + function(*given.pop(0))
    for _ in range(slices):
        yield whole


COUPLINGS: Mapping[str, Callable[[list[Request]], Iterator[torch.Tensor]]] = {
    "group_norm": group_norm,
    "conv1d": convolution,
    "conv2d": convolution,
    "conv3d": convolution,
    "pad": pad,
    "matmul": product,
    "__matmul__": product,
    "scaled_dot_product_attention": attention,
    "emit_group": emit_joined_group,
    "run_convolution_module": run_convolution_modules,
}
"""Operations at which slices meet, by name."""
