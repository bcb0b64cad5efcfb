"""What a call of an encoder is known by: its arguments, to the value."""

from __future__ import annotations

from collections.abc import Hashable
from hashlib import blake2b
from typing import Any

import torch

from ....runtime.joint.flat import flat
from ....runtime.joint.lane import Lane

MOST = 16 << 20
"""Bytes of tensors among arguments beyond which a call is not looked for: reading them takes time as well."""

_EXACT = frozenset((type(None), bool, int, str, torch.dtype, torch.device))
"""Types of arguments that are the same where they are equal."""


class _UnknownError(Exception):
    """An argument that cannot be told from others by what it says."""


def key_of(lane: Lane) -> Hashable | None:
    """Return what calls of a component have in common that are given the same, to the value, in the same form.

    None if there is an argument whose value is not known: a generator, a cache, an object of a class of somebody's.

    Args:
        lane: the call.
    """
    given = flat(lane)
    tensors = [leaf for leaf in given.leaves if isinstance(leaf, torch.Tensor)]
    if sum(tensor.nbytes for tensor in tensors) > MOST:
        return None
    try:
        values = tuple(map(_value, given.leaves))
    except _UnknownError:
        return None
    return given.names, given.places, tuple(map(str, given.specs)), values


def is_plain_tensor(value: Any) -> bool:
    """Return whether a value is a tensor that its type, place, shape, strides and numbers tell all of."""
    if type(value) is not torch.Tensor or value.layout is not torch.strided or value.device.type not in ("cpu", "cuda"):
        return False
    return not (value.requires_grad or value.is_quantized or value.is_conj() or value.is_neg())


def _value(leaf: Any) -> Hashable:
    """What is the same for the same value; an attribute of Python beside it, if it had one, would be lost."""
    if type(leaf) in _EXACT:
        return type(leaf), leaf
    if type(leaf) is float:
        return float, leaf.hex()  # 0.0 is equal to -0.0
    if type(leaf) in (list, tuple):
        return type(leaf), tuple(map(_value, leaf))
    if is_plain_tensor(leaf):
        return leaf.dtype, str(leaf.device), leaf.shape, leaf.stride(), _digest(leaf)
    raise _UnknownError


def _digest(tensor: torch.Tensor) -> bytes:
    numbers: Any = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return blake2b(numbers, digest_size=32).digest()
