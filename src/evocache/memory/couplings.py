"""Operations that couple the slices of an axis, done for all slices together, exactly.

Each takes what every slice calls the operation with, in order, and yields what each gets back, lazily, so that a slice
may run on, and let its input go, before the next is answered. The axis is the one along which the shapes differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from typing import Any

import torch
from torch.nn import functional


class Uncoupled(Exception):  # noqa: N818  (a verdict on a way of slicing, not the user's error)
    """These slices cannot be computed apart: an operation needs them in a way that is not known here."""


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
        """The operation on this slice alone."""
        return self.function(*self.args, **self.kwargs)

    def bound(self, names: Sequence[str]) -> dict[str, Any]:
        """Arguments by name; those that are not given are missing."""
        return {**dict(zip(names, self.args, strict=False)), **self.kwargs}


def group_norm(requests: Sequence[Request]) -> Iterator[torch.Tensor]:
    """Statistics of all slices first, by the formula of Chan et al. (1979, eq. 2.1); then each is normalised."""
    calls = [r.bound(("input", "num_groups", "weight", "bias", "eps")) for r in requests]
    axis = _axis([c["input"] for c in calls])
    if axis in (None, 0):
        yield from (r.call() for r in requests)
        return
    if axis == 1:
        raise Uncoupled("channels are normalised in groups")
    groups = calls[0]["num_groups"]
    parts = [_moments(c["input"], groups) for c in calls]
    count = sum(n for n, _, _ in parts)
    mean = torch.stack([m * (n / count) for n, m, _ in parts]).sum(0)
    spread = torch.stack([s + n * (m - mean).square() for n, m, s in parts]).sum(0)
    scale = (spread / count + calls[0].get("eps", 1e-5)).rsqrt()
    for call in calls:
        x = call["input"]
        shape = (x.shape[0], x.shape[1], *[1] * (x.ndim - 2))
        by = scale.repeat_interleave(x.shape[1] // groups, 1)
        to = -mean.repeat_interleave(x.shape[1] // groups, 1) * by
        if call.get("weight") is not None:
            by, to = by * call["weight"], to * call["weight"]
        if call.get("bias") is not None:
            to = to + call["bias"]
        yield torch.addcmul(to.view(shape), x.to(by.dtype), by.view(shape)).to(x.dtype)


def _moments(x: torch.Tensor, groups: int) -> tuple[int, torch.Tensor, torch.Tensor]:
    """Count, mean and sum of squared deviations of each group: (batch, groups)."""
    flat = x.reshape(x.shape[0], groups, -1).to(torch.float32 if x.dtype.itemsize < 4 else x.dtype)
    variance, mean = torch.var_mean(flat, dim=-1, correction=0)
    return flat.shape[-1], mean, variance * flat.shape[-1]


def convolution(requests: Sequence[Request]) -> Iterator[torch.Tensor]:
    """Each slice with as much of its neighbours as the kernel reaches into."""
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    calls = [r.bound(names) for r in requests]
    axis = _axis([c["input"] for c in calls])
    if axis is None or axis == calls[0]["input"].ndim - calls[0]["weight"].ndim:
        yield from (r.call() for r in requests)
        return
    weight = calls[0]["weight"]
    along = axis - 2
    if along < 0 or calls[0]["input"].ndim != weight.ndim or isinstance(calls[0].get("padding", 0), str):
        raise Uncoupled("a convolution whose slices are not along one of its axes")
    sizes = {n: list(_each(calls[0].get(n, d), weight.ndim - 2)) for n, d in _CONVOLUTION.items()}
    step, padding = sizes["stride"][along], sizes["padding"][along]
    reach = sizes["dilation"][along] * (weight.shape[axis] - 1)
    sizes["padding"][along] = 0
    ends = list(accumulate(c["input"].shape[axis] for c in calls))
    outputs = (ends[-1] + 2 * padding - reach - 1) // step + 1
    # output o reads inputs from o * step - padding on, and belongs to the slice in which the middle of them lies
    first = [0, *(min(max(-((reach // 2 - padding - e) // step), 0), outputs) for e in ends[:-1]), outputs]
    for i, call in enumerate(calls):
        if first[i] >= first[i + 1]:
            raise Uncoupled("a slice too thin for a convolution")
        low = first[i] * step - padding
        high = (first[i + 1] - 1) * step - padding + reach + 1
        x = _gather([c["input"] for c in calls], ends, axis, low, high)
        yield requests[i].function(x, weight, call.get("bias"), **sizes, groups=call.get("groups", 1))


_CONVOLUTION = {"stride": 1, "padding": 0, "dilation": 1}


def _gather(parts: Sequence[torch.Tensor], ends: Sequence[int], axis: int, low: int, high: int) -> torch.Tensor:
    """Positions `low` to `high` of the whole axis, zero where there are none."""
    found = []
    for part, end in zip(parts, ends, strict=True):
        start = end - part.shape[axis]
        if max(low, start) < min(high, end):
            found.append(part.narrow(axis, max(low, start) - start, min(high, end) - max(low, start)))
    whole = torch.cat(found, axis) if len(found) > 1 else found[0]
    before, after = max(-low, 0), max(high - ends[-1], 0)
    if before or after:
        whole = functional.pad(whole, (*[0, 0] * (whole.ndim - 1 - axis), before, after))
    return whole


def pad(requests: Sequence[Request]) -> Iterator[torch.Tensor]:
    """The first and the last slice are padded at the axis's ends; none is in between."""
    calls = [r.bound(("input", "pad", "mode", "value")) for r in requests]
    axis = _axis([c["input"] for c in calls])
    place = None if axis is None else 2 * (calls[0]["input"].ndim - 1 - axis)
    joined = requests[0].shared is not Shared.NONE  # then it is the other stream that is padded, in each slice
    if place is None or joined or not any(calls[0]["pad"][place : place + 2]):
        yield from (r.call() for r in requests)
        return
    mode = calls[0].get("mode", "constant")
    if mode not in ("constant", "replicate") or min(calls[0]["pad"][place : place + 2]) < 0:
        raise Uncoupled(f"padding of mode {mode}")
    for i, call in enumerate(calls):
        amounts = list(call["pad"])
        amounts[place] *= i == 0
        amounts[place + 1] *= i == len(calls) - 1
        yield functional.pad(call["input"], amounts, mode, call.get("value"))


def attention(requests: Sequence[Request]) -> Iterator[torch.Tensor]:
    """Queries of each slice against the keys and values of all; what slices share is taken once."""
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
    calls = [r.bound(names) for r in requests]
    axis = _axis([c["key"] for c in calls])
    if axis is None or axis < calls[0]["key"].ndim - 2:
        yield from (r.call() for r in requests)
        return
    mask = calls[0].get("attn_mask")
    if axis != calls[0]["key"].ndim - 2 or calls[0].get("is_causal") or mask is not None:
        raise Uncoupled("attention with a mask between the slices")
    key, value = (_joined(requests, [c[name] for c in calls], axis) for name in ("key", "value"))
    for request, call in zip(requests, calls, strict=True):
        yield request.function(**{**call, "key": key, "value": value})


def _joined(requests: Sequence[Request], parts: Sequence[torch.Tensor], axis: int) -> torch.Tensor:
    """The whole sequence, of which each slice has its own positions and those that are shared."""
    first, shared = requests[0], requests[0].shared
    if shared is Shared.NONE:
        return torch.cat(list(parts), axis)
    other = next(i for i, r in enumerate(requests) if r.positions != first.positions)
    lengths = [p.shape[axis] for p in parts]
    rate, rest = divmod(lengths[0] - lengths[other], first.positions - requests[other].positions)
    extra = lengths[0] - rate * first.positions
    if rest or extra < 0 or any(n != extra + rate * r.positions for n, r in zip(lengths, requests, strict=True)):
        raise Uncoupled("sequences that do not grow with their slice")
    before = shared is Shared.BEFORE
    own = [p.narrow(axis, extra if before else 0, n - extra) for p, n in zip(parts, lengths, strict=True)]
    stream = parts[0].narrow(axis, 0 if before else lengths[0] - extra, extra)
    return torch.cat([stream, *own] if before else [*own, stream], axis)


def _axis(parts: Sequence[torch.Tensor]) -> int | None:
    """The axis along which slices differ; None if they do not."""
    if len({p.ndim for p in parts}) > 1:
        raise Uncoupled("slices of different ranks")
    differing = [i for i, lengths in enumerate(zip(*(p.shape for p in parts), strict=True)) if len(set(lengths)) > 1]
    if len(differing) > 1:
        raise Uncoupled("slices along two axes")
    return differing[0] if differing else None


def _each(value: Any, count: int) -> Sequence[int]:
    return [value] * count if isinstance(value, int) else list(value) * (count if len(value) == 1 else 1)


COUPLINGS: Mapping[str, Callable[[Sequence[Request]], Iterator[torch.Tensor]]] = {
    "group_norm": group_norm,
    "conv1d": convolution,
    "conv2d": convolution,
    "conv3d": convolution,
    "pad": pad,
    "scaled_dot_product_attention": attention,
}
"""Operations at which slices meet, by name."""
