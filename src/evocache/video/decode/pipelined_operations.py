"""What slices of frames are answered where they need something of the others: by each as soon as that is there.

An exchange stands at one operation. Slices come to it in their order, are answered in their order, and what later ones
need is kept: of a convolution the last few frames, of attention keys and values, of a group norm sums alone.

A slice's input has a *lead* at an operation: padding, and frames that are its predecessor's. It is what the length has
beyond the slice's own positions. Nothing of it is used: what belongs there comes from the slices before. Nor does
anything have to be right in the lead of what is answered.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional

from ...memory.slicing.convolutions import CONVOLUTION, each
from ...memory.slicing.coupling_points import QUERIES, CouplingPoint
from ...memory.slicing.coupling_requests import Request, Uncoupled
from ...memory.slicing.couplings import moments, scaled, scales


class PipelinedOperation(ABC):
    """What slices come to.

    Args:
        point: the operation.
        sizes: how many positions of the call's axis each slice has of its own.
        ahead: whether convolutions that do not pad by themselves reach as far ahead as back.
    """

    names: Sequence[str]
    """Arguments of the operation, by place."""

    def __init__(self, point: CouplingPoint, sizes: Sequence[int], ahead: bool) -> None:
        self.axis = point.axis
        self.own = [point.rate * size for size in sizes]
        self.ahead = ahead
        self.given: dict[int, dict[str, Any]] = {}
        self._function: Callable[..., Any] | None = None

    def offer(self, i: int, request: Request) -> None:
        """Return a slice came here."""
        self._function = request.function
        self.given[i] = request.bound(self.names)
        self._came(i)

    def needs(self, i: int) -> Iterable[int]:
        """Return the slices after a slice that have to have come before it can be answered."""
        return ()

    @abstractmethod
    def answer(self, i: int) -> torch.Tensor:
        """Return what a slice is answered; those before it were."""

    @abstractmethod
    def _came(self, i: int) -> None:
        """Take what is needed of a slice."""

    def _lead(self, i: int, given: torch.Tensor, behind: int = 0) -> int:
        """Positions before a slice's own; none are left out of the first."""
        if i == 0:
            return 0
        lead = given.shape[self.axis] - self.own[i] - behind
        if lead < 0:
            raise Uncoupled("slices that do not grow with their positions")
        return lead

    def _call(self, **given: Any) -> Any:
        assert self._function is not None
        return self._function(**given)

    def _all(self) -> Iterable[int]:
        return range(len(self.own))


class _Reach(PipelinedOperation):
    """A convolution along the frames: each slice with as many frames of its neighbours as the kernel reaches into."""

    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")

    def __init__(self, point: CouplingPoint, sizes: Sequence[int], ahead: bool) -> None:
        super().__init__(point, sizes, ahead)
        self._tail: torch.Tensor | None = None
        self._sizes: dict[str, list[int]] = {}
        self.back = self.after = self.pad = self.behind = 0

    def _came(self, i: int) -> None:
        if self._sizes:
            return
        given, rank = self.given[i], self.given[i]["weight"].ndim
        if rank != given["input"].ndim or isinstance(given.get("padding", 0), str):
            raise Uncoupled("a convolution whose frames are not along one of its axes")
        self._sizes = {name: list(each(given.get(name, d), rank - 2)) for name, d in CONVOLUTION.items()}
        along = self.axis - 2
        reach = self._sizes["dilation"][along] * (given["weight"].shape[self.axis] - 1)
        if self._sizes["stride"][along] != 1:
            raise Uncoupled("a convolution that leaves out frames")
        self.pad, self._sizes["padding"][along] = self._sizes["padding"][along], 0
        self.back = self.pad or (reach - reach // 2 if self.ahead else reach)
        self.after = reach - self.back
        self.behind = 0 if self.pad else self.after

    def needs(self, i: int) -> Iterable[int]:
        return (i + 1,) if self.after and i + 1 < len(self.own) else ()

    def answer(self, i: int) -> torch.Tensor:
        given, last = self.given.pop(i), i + 1 == len(self.own)
        x = given.pop("input")
        length = x.shape[self.axis]
        lead = self._lead(i, x, self.behind)
        parts = [x.narrow(self.axis, lead, length - lead - self.behind)]
        if self._tail is not None:
            parts.insert(0, self._tail)
            self._tail = None
        known = sum(part.shape[self.axis] for part in parts)
        if not last and self.after:
            parts.append(self._head(i + 1))
        elif self.behind:
            parts.append(x.narrow(self.axis, length - self.behind, self.behind))
        del x
        joined = torch.cat(parts, self.axis) if len(parts) > 1 else parts[0]
        parts.clear()
        if not last:
            if known < self.back:
                raise Uncoupled("a slice too thin for a convolution")
            self._tail = joined.narrow(self.axis, known - self.back, self.back).clone()
        ends = (self.pad * (i == 0), (self.after if self.pad else 0) * last)
        if any(ends):
            joined = functional.pad(joined, (*[0, 0] * (joined.ndim - 1 - self.axis), *ends))
        out = self._call(**{**given, **self._sizes, "input": joined})
        del joined
        lead = length + 2 * self.pad - self.back - self.after - out.shape[self.axis]  # as long as it was by itself
        return _led(out, self.axis, lead)

    def _head(self, i: int) -> torch.Tensor:
        """The first frames of a slice's own."""
        x = self.given[i]["input"]
        if self.own[i] < self.after:
            raise Uncoupled("a slice too thin for a convolution")
        head: torch.Tensor = x.narrow(self.axis, self._lead(i, x, self.behind), self.after)
        return head


def _led(out: torch.Tensor, axis: int, lead: int) -> torch.Tensor:
    """An output with a lead of so many positions, in which anything may stand."""
    if lead < 0:
        raise Uncoupled("a convolution that gives fewer frames than a slice has")
    if not lead:
        return out
    shape = list(out.shape)
    shape[axis] = lead
    return torch.cat([out.narrow(axis, 0, 1).expand(shape), out], axis)


class _Sums(PipelinedOperation):
    """A group norm over the frames: statistics of all slices first, then each is normalised."""

    names = ("input", "num_groups", "weight", "bias", "eps")

    def __init__(self, point: CouplingPoint, sizes: Sequence[int], ahead: bool) -> None:
        super().__init__(point, sizes, ahead)
        self._parts: list[tuple[int, torch.Tensor, torch.Tensor]] = []
        self._scales: tuple[torch.Tensor, torch.Tensor] | None = None

    def _came(self, i: int) -> None:
        x = self.given[i]["input"]
        lead = self._lead(i, x)
        self._parts.append(moments(x.narrow(self.axis, lead, x.shape[self.axis] - lead), self.given[i]["num_groups"]))

    def needs(self, i: int) -> Iterable[int]:
        return self._all()

    def answer(self, i: int) -> torch.Tensor:
        given = self.given.pop(i)
        if self._scales is None:
            self._scales = scales(self._parts, given)
        return scaled(given.pop("input"), *self._scales)


class _Keys(PipelinedOperation):
    """Attention between frames: queries of each slice, keys and values of all, or of those that a mask lets it see."""

    names = QUERIES

    def __init__(self, point: CouplingPoint, sizes: Sequence[int], ahead: bool) -> None:
        super().__init__(point, sizes, ahead)
        self._kept: dict[str, list[torch.Tensor]] = {"key": [], "value": []}
        self._ordered = not point.waits

    def _came(self, i: int) -> None:
        given = self.given[i]
        lead = self._lead(i, given["key"])
        given["lead"], given["length"] = lead, given["key"].shape[self.axis]
        for name, kept in self._kept.items():
            part = given.pop(name)
            kept.append(part.narrow(self.axis, lead, part.shape[self.axis] - lead))

    def needs(self, i: int) -> Iterable[int]:
        return () if self._ordered else self._all()

    def answer(self, i: int) -> torch.Tensor:
        given = self.given.pop(i)
        lead, length = given.pop("lead"), given.pop("length")
        seen = i + 1 if self._ordered else len(self.own)
        joined = {name: torch.cat(kept[:seen], self.axis) for name, kept in self._kept.items()}
        if i + 1 == len(self.own):
            self._kept.clear()
        if self._ordered:
            given["attn_mask"] = _mask(given, lead, length, joined["key"].shape[self.axis])
            given["is_causal"] = False
        out: torch.Tensor = self._call(**given, **joined)
        return out


def _mask(given: Mapping[str, Any], lead: int, length: int, keys: int) -> torch.Tensor:
    """What a slice sees of the keys of its own and of all before: of these as much as of its first position."""
    mask, query = given.get("attn_mask"), given["query"]
    if mask is None:
        mask = torch.ones(query.shape[-2], length, dtype=torch.bool, device=query.device).tril()
    if mask.shape[-1] != length:
        raise Uncoupled("a mask that is the same for all frames")
    first = mask[..., :1].expand(*mask.shape[:-1], keys - (length - lead))
    return torch.cat([first, mask[..., lead:]], -1)


PIPELINED: Mapping[str, type[PipelinedOperation]] = {
    "conv1d": _Reach,
    "conv3d": _Reach,
    "group_norm": _Sums,
    "scaled_dot_product_attention": _Keys,
}
"""Exchanges by the name of the operation."""
