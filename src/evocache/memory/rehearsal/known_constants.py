"""Whole numbers that a call makes of whole numbers: known on the meta device, since code reads sizes back from tensors.

What a call is given is not known, since a rehearsal holds for all values; but masks leave nothing out, so that it is as
much as it may be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils._pytree import tree_iter, tree_map

MOST = 4096
"""Numbers of a tensor that are followed; sizes are few."""

_WHOLE = frozenset({torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64})
_SCALAR = torch.ops.aten._local_scalar_dense.default
_COPY = torch.ops.aten._to_copy.default
_UNSET = ("empty", "new_empty", "empty_like", "empty_strided", "new_empty_strided")


def read(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Return what an operation reads of a constant: a number, or a copy where values are; None if it reads none."""
    if func is _SCALAR or (func is _COPY and torch.device(kwargs.get("device") or "meta").type != "meta"):
        value = _value(args[0])
        return None if value is None or value is args[0] else func(value, **kwargs)
    return None


def note(tensor: torch.Tensor, data: Any) -> None:
    """Note what a tensor was made of: a number, or nested lists of them."""
    if tensor.is_meta and tensor.dtype in _WHOLE and tensor.numel() <= MOST and not isinstance(data, torch.Tensor):
        tensor.constant = torch.tensor(data, dtype=tensor.dtype, device="cpu")  # type: ignore[attr-defined]


def unmask(given: Mapping[str, Any]) -> None:
    """Note that masks among the arguments of a call are all ones, also those of the type that is computed in."""
    for name, value in given.items():
        if "mask" in name and isinstance(value, torch.Tensor) and value.is_meta and value.numel() <= MOST:
            value.constant = torch.ones(value.shape, dtype=value.dtype)  # type: ignore[attr-defined]


def follow(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> None:
    """Note the values of what an operation gave, if they are constants; forget what was written over with others."""
    mutable = func._schema.is_mutable
    if not mutable and isinstance(out, torch.Tensor) and out.numel() > MOST:
        return
    made = [t for t in tree_iter(out) if isinstance(t, torch.Tensor)]
    small = made and all(t.is_meta and t.numel() <= MOST for t in made)
    if small and any(t.dtype not in _WHOLE for t in made):
        small = _of_mask(args, kwargs)
    if not small and not mutable:
        return
    values = _values(func, args, kwargs) if small else None
    for tensor, value in zip(made, values or (), strict=False):
        tensor.constant = value  # type: ignore[attr-defined]
    if mutable and values is None:
        _forget(func, args, kwargs)


def _of_mask(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether an operation is given a constant that is not of whole numbers: only masks are."""
    given = (t for t in tree_iter((args, kwargs)) if isinstance(t, torch.Tensor))
    return any(t.dtype not in _WHOLE and getattr(t, "constant", None) is not None for t in given)


def _forget(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Take the values from tensors that were written, and from all that share their memory."""
    for number, argument in enumerate(func._schema.arguments):
        if argument.is_write:
            written = args[number] if number < len(args) else kwargs.get(argument.name)
            for tensor in tree_iter(written):
                if (value := getattr(tensor, "constant", None)) is not None:
                    value.untyped_storage().resize_(0)


def _values(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[torch.Tensor] | None:
    """Return an operation's outputs for the values of its inputs; None if one of them is unknown."""
    given = [t for t in tree_iter((args, kwargs)) if isinstance(t, torch.Tensor)]
    random = torch.Tag.nondeterministic_seeded in func.tags
    if random or func._schema.name.removeprefix("aten::") in _UNSET or any(_value(t) is None for t in given):
        return None
    here, options = tree_map(_value_or_self, (tuple(args), dict(kwargs)))
    if "device" in {argument.name for argument in func._schema.arguments}:
        options["device"] = torch.device("cpu")
    return [t for t in tree_iter(func(*here, **options)) if isinstance(t, torch.Tensor)]


def _value(tensor: torch.Tensor) -> torch.Tensor | None:
    if not tensor.is_meta:
        return tensor
    value = getattr(tensor, "constant", None)
    return None if value is None or value.untyped_storage().nbytes() < value.nbytes else value


def _value_or_self(leaf: Any) -> Any:
    return _value(leaf) if isinstance(leaf, torch.Tensor) else leaf
