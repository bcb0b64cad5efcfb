"""Codings: features stored in fewer bits than they are computed in, and how far off they come back. Pure.

| coding | a value takes | error of a value x, beyond the rounding to its own type |
|---|---|---|
| `none` | what it took | none: the tensor itself is kept |
| `bf16` | 2 bytes | `abs(x) * 2**-8`; 8 significant bits, the range of float32 |
| `fp8` | 1 byte, and 4 a tensor | `abs(x) * 2**-4`, or `scale * 2**-10` near zero; `scale` = largest of all / 448 |
| `int8` | 1 byte, and 4 a channel | `scale / 2`; `scale` = largest of the channel / 127 |

fp8 is E4M3 (arXiv 2209.05433), whose values reach to 448, so that a scale keeps the largest from overflowing. int8 is
symmetric, with a scale for each channel (arXiv 1806.08342), since channels differ in size more than tokens do. Scales
are float32, and 2**-126 at the least.

What is infinite or no number stays so in bf16. In fp8, which has no infinity, both come back as NaN. int8 has a code
for neither: the whole channel comes back as NaN.

Nothing here waits for a GPU, and all of it runs on the meta device.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import torch

from ..errors import PolicyError

_TYPES = {"bf16": torch.bfloat16, "fp8": torch.float8_e4m3fn, "int8": torch.int8}
"""What a coding keeps a value in."""

_LARGEST = {"fp8": 448, "int8": 127}
"""The code of the largest value, of codings with a scale."""

CODINGS = ("none", *_TYPES)
"""Names of the codings."""


class Quantized(NamedTuple):
    """A tensor as it is stored.

    Attributes:
        coding: how; `none` where it is the tensor itself.
        dtype: the type that it was computed in.
        parts: its codes, of its shape and order of axes, and the scales if the coding has any.
    """

    coding: str
    dtype: torch.dtype
    parts: tuple[torch.Tensor, ...]

    @property
    def bytes(self) -> int:
        """What it takes."""
        return sum(part.numel() * part.element_size() for part in self.parts)


def check_coding(name: str) -> str:
    """Check the name of a coding, and return it.

    Raises:
        PolicyError: if there is none of that name.
    """
    if name not in CODINGS:
        raise PolicyError(f"storage {name!r}", f"one of {', '.join(CODINGS)}", 'write storage="bf16", or leave it out')
    return name


def fitting(shape: Sequence[int], dtype: torch.dtype, name: str) -> str:
    """Return the coding that a tensor gets: `none` if it is not of floating point, or would not become smaller.

    Raises:
        PolicyError: if there is no coding of that name.
    """
    if check_coding(name) == "none" or not dtype.is_floating_point:
        return "none"
    return name if _bytes(shape, dtype, name) < _bytes(shape, dtype, "none") else "none"


def coded_bytes(shape: Sequence[int], dtype: torch.dtype, name: str) -> int:
    """Return bytes of a coded tensor, its scales included; what `encode` makes takes exactly these.

    Args:
        shape: of the tensor.
        dtype: the type that it is computed in.
        name: the coding asked for.

    Raises:
        PolicyError: if there is no coding of that name.
    """
    return _bytes(shape, dtype, fitting(shape, dtype, name))


@torch.no_grad()
def encode(tensor: torch.Tensor, name: str) -> Quantized:
    """Encode a tensor in a coding; it stays as it is, not copied, where `fitting` says so.

    Else what is returned shares nothing with the tensor. Codings with a scale go by way of float32, for as long as this
    takes.

    Raises:
        PolicyError: if there is no coding of that name.
    """
    coding = fitting(tensor.shape, tensor.dtype, name)
    if coding == "none":
        return Quantized(coding, tensor.dtype, (tensor,))
    if coding == "bf16":
        return Quantized(coding, tensor.dtype, (tensor.to(torch.bfloat16),))
    if coding == "fp8":
        scale = _scale(tensor.nan_to_num(0.0, 0.0, 0.0), coding)
        # what becomes of infinity in a conversion differs by version and device
        scaled = (tensor / scale).nan_to_num_(torch.nan, torch.nan, torch.nan)
    else:
        scale = _scale(tensor, coding)
        scaled = (tensor / scale).round_()
    return Quantized(coding, tensor.dtype, (scaled.to(_TYPES[coding]), scale))


@torch.no_grad()
def decode(coded: Quantized) -> torch.Tensor:
    """Decode the tensor in its own type and shape, its axes in memory as they were, but without gaps.

    It is a fresh one, which may be written into, unless the coding is `none`.
    """
    codes, *scale = coded.parts
    if coded.coding == "none":
        return codes
    tensor = codes.to(coded.dtype)
    return tensor.mul_(*scale) if scale else tensor


def error(tensor: torch.Tensor, name: str) -> float:
    """Return how far a tensor comes back from a coding: norm of the difference / norm of the tensor.

    It is 0 for a tensor that stays as it is or is all zero, and no number for one that is not finite throughout. It
    waits for a GPU.

    Raises:
        PolicyError: if there is no coding of that name.
    """
    coded = encode(tensor, name)
    if coded.coding == "none":
        return 0.0
    exact = tensor.detach().double()
    size = float(torch.linalg.vector_norm(exact))
    return float(torch.linalg.vector_norm(decode(coded).double() - exact)) / size if size else 0.0


def _bytes(shape: Sequence[int], dtype: torch.dtype, name: str) -> int:
    if name not in _LARGEST:
        return prod(shape) * _TYPES.get(name, dtype).itemsize
    axis = _channels(shape, name)
    return prod(shape) * _TYPES[name].itemsize + 4 * (1 if axis is None else shape[axis])


def _channels(shape: Sequence[int], name: str) -> int | None:
    """The axis with a scale for each position, if any: the last of tokens, the second of images and videos."""
    if name != "int8" or len(shape) < 2:
        return None
    return len(shape) - 1 if len(shape) < 4 else 1


def _scale(tensor: torch.Tensor, name: str) -> torch.Tensor:
    """By what codes are multiplied; NaN where a value is not finite.

    It has as many dimensions as the tensor, so that float32 wins where types meet.
    """
    axis = _channels(tensor.shape, name)
    others = [i for i in range(tensor.ndim) if i != axis]
    most: torch.Tensor = torch.linalg.vector_norm(tensor, torch.inf, others, keepdim=True).float()
    # not divided by: rounded up, the scale of float32's largest would decode to infinity
    scale = (most * (1 / _LARGEST[name])).clamp_(min=torch.finfo(torch.float32).tiny)
    scale.nan_to_num_(torch.nan, torch.nan)
    return scale
