"""Attention between slices: queries of each, keys and values of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from .coupling_requests import Request, Shared, Uncoupled, axis_of, calls


def attention(requests: list[Request]) -> Iterator[torch.Tensor]:
    """Queries of each slice against the keys and values of all; what slices share is taken once."""
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
    function, shared, positions = requests[0].function, requests[0].shared, [r.positions for r in requests]
    given = calls(requests, names)
    axis = axis_of([c["key"] for c in given])
    if axis is None or axis < given[0]["key"].ndim - 2:
        while given:
            yield function(**given.pop(0))
        return
    if axis != given[0]["key"].ndim - 2 or given[0].get("is_causal"):
        raise Uncoupled("attention with an order between the slices")
    lengths = [c["key"].shape[axis] for c in given]
    blocks = None
    if given[0].get("attn_mask") is not None:
        if shared is not Shared.NONE or any(c["query"].shape[axis] != n for c, n in zip(given, lengths, strict=True)):
            raise Uncoupled("attention with a mask between the slices")
        blocks = _blocks([c.pop("attn_mask") for c in given])
    key, value = (_join([c.pop(name) for c in given], positions, shared, axis) for name in ("key", "value"))
    for length in lengths:
        mask = None if blocks is None else _mask(blocks, length, lengths)
        yield function(**{**given.pop(0), "key": key, "value": value, "attn_mask": mask})


def _join(parts: list[torch.Tensor], positions: Sequence[int], shared: Shared, axis: int) -> torch.Tensor:
    """The whole sequence, of which each slice has its own positions and those that are shared."""
    if shared is Shared.NONE:
        return torch.cat(parts, axis)
    other = next(i for i, n in enumerate(positions) if n != positions[0])
    lengths = [p.shape[axis] for p in parts]
    rate, rest = divmod(lengths[0] - lengths[other], positions[0] - positions[other])
    extra = lengths[0] - rate * positions[0]
    if rest or extra < 0 or any(n != extra + rate * p for n, p in zip(lengths, positions, strict=True)):
        raise Uncoupled("sequences that do not grow with their slice")
    before = shared is Shared.BEFORE
    own = [p.narrow(axis, extra if before else 0, n - extra) for p, n in zip(parts, lengths, strict=True)]
    stream = parts[0].narrow(axis, 0 if before else lengths[0] - extra, extra)
    return torch.cat([stream, *own] if before else [*own, stream], axis)


def _blocks(masks: Sequence[torch.Tensor]) -> torch.Tensor:
    """The one value for each pair of blocks (..., blocks, blocks), such as frames, that all masks consist of.

    Raises:
        Uncoupled: if they do not: then what one slice is to another is not known.
    """
    first = masks[0]
    if first.is_meta:  # where no values are, only shapes matter
        return first[..., :1, :1]
    changes = (first[..., 1:, :] != first[..., :-1, :]).flatten(0, -3).any(0).any(-1)
    count = int(changes.sum()) + 1
    if any(n % count for mask in masks for n in mask.shape[-2:]):
        raise Uncoupled("attention with a mask of unequal blocks")
    blocks = first[..., :: first.shape[-2] // count, :: first.shape[-1] // count]
    for mask in masks:
        if not torch.equal(mask, _mask(blocks, mask.shape[-2], [mask.shape[-1]])):
            raise Uncoupled("attention with a mask that differs between slices")
    return blocks


def _mask(blocks: torch.Tensor, queries: int, keys: Sequence[int]) -> torch.Tensor:
    """What queries of one slice see of the keys of several, in the order in which these are joined."""
    count = blocks.shape[-1]
    wide = torch.cat([blocks.repeat_interleave(n // count, -1) for n in keys], -1)
    return wide.repeat_interleave(queries // count, -2)
