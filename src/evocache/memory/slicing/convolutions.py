"""Operations that reach into neighbouring slices: convolutions, and the padding that comes before them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch.nn import functional

from .coupling_requests import Request, Shared, Uncoupled, axis_of, calls


def convolution(requests: list[Request]) -> Iterator[torch.Tensor]:
    """Convolve each slice with as much of its neighbours as the kernel reaches into."""
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    function = requests[0].function
    given = calls(requests, names)
    weight, rank = given[0]["weight"], given[0]["input"].ndim
    axis = axis_of([c["input"] for c in given])
    if axis is None or axis == rank - weight.ndim:
        while given:
            yield function(**given.pop(0))
        return
    along = axis - 2
    if along < 0 or rank != weight.ndim or isinstance(given[0].get("padding", 0), str):
        raise Uncoupled("a convolution whose slices are not along one of its axes")
    sizes = {n: list(each(given[0].get(n, d), weight.ndim - 2)) for n, d in CONVOLUTION.items()}
    step, padding = sizes["stride"][along], sizes["padding"][along]
    reach = sizes["dilation"][along] * (weight.shape[axis] - 1)
    sizes["padding"][along] = 0
    rest = {"weight": weight, "bias": given[0].get("bias"), **sizes, "groups": given[0].get("groups", 1)}
    parts = [c.pop("input") for c in given]
    ends = list(accumulate(part.shape[axis] for part in parts))
    outputs = (ends[-1] + 2 * padding - reach - 1) // step + 1
    # output o reads inputs from o * step - padding on, and belongs to the slice in which the middle of them lies
    first = [0, *(min(max(-((reach // 2 - padding - e) // step), 0), outputs) for e in ends[:-1]), outputs]
    for low, high in pairwise(first):
        if low >= high:
            raise Uncoupled("a slice too thin for a convolution")
        start, end = low * step - padding, (high - 1) * step - padding + reach + 1
        x = [gather(parts, ends, axis, start, end)]
        forget(parts, ends, axis, high * step - padding)
        yield function(x.pop(), **rest)


CONVOLUTION = {"stride": 1, "padding": 0, "dilation": 1}
"""What a convolution has one number of for each axis, and what it is when not given."""


def gather(parts: Sequence[torch.Tensor | None], ends: Sequence[int], axis: int, low: int, high: int) -> torch.Tensor:
    """Positions `low` to `high` of the whole axis, zero where there are none."""
    found = []
    for part, end in zip(parts, ends, strict=True):
        start = end if part is None else end - part.shape[axis]
        if part is not None and max(low, start) < min(high, end):
            found.append(part.narrow(axis, max(low, start) - start, min(high, end) - max(low, start)))
    whole = torch.cat(found, axis) if len(found) > 1 else found[0]
    before, after = max(-low, 0), max(high - ends[-1], 0)
    if before or after:
        whole = functional.pad(whole, (*[0, 0] * (whole.ndim - 1 - axis), before, after))
    return whole


def forget(parts: list[Any], ends: Sequence[int], axis: int, low: int) -> None:
    """Let go of what lies below a position; of a part that lies on both sides, what is above is copied."""
    for i, end in enumerate(ends):
        part = parts[i]
        if part is not None and end <= low:
            parts[i] = None
        elif part is not None and end - part.shape[axis] < low:
            parts[i] = part.narrow(axis, part.shape[axis] - (end - low), end - low).clone()


def pad(requests: list[Request]) -> Iterator[torch.Tensor]:
    """Pad the first and the last slice at the axis's ends; none is padded in between."""
    function, shared = requests[0].function, requests[0].shared
    given = calls(requests, ("input", "pad", "mode", "value"))
    axis = axis_of([c["input"] for c in given])
    place = None if axis is None else 2 * (given[0]["input"].ndim - 1 - axis)
    joined = shared is not Shared.NONE  # then it is the other stream that is padded, in each slice
    if place is None or joined or not any(given[0]["pad"][place : place + 2]):
        while given:
            yield function(**given.pop(0))
        return
    mode, last = given[0].get("mode", "constant"), len(given) - 1
    if mode not in ("constant", "replicate", "reflect") or min(given[0]["pad"][place : place + 2]) < 0:
        raise Uncoupled(f"padding of mode {mode}")
    for i in range(last + 1):
        amounts = list(given[0]["pad"])
        amounts[place] *= i == 0
        amounts[place + 1] *= i == last
        yield functional.pad(**{**given.pop(0), "pad": amounts})


def is_pointwise(function: Callable[..., Any], args: Sequence[Any]) -> bool:
    """Return whether an operation is a convolution that reaches nowhere: then no slice needs to wait for the others."""
    if len(args) < 5 or not function.__name__.startswith("conv"):
        return False
    _, weight, _, stride, padding = args[:5]
    still = {*each(stride, 1)} == {1} and not isinstance(padding, str) and not any(each(padding, 1))
    return still and all(n == 1 for n in weight.shape[2:])


def each(value: Any, count: int) -> Sequence[int]:
    """Return one number for each axis."""
    return [value] * count if isinstance(value, int) else list(value) * (count if len(value) == 1 else 1)
