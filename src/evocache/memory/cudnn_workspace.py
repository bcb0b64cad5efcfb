"""What an operation takes and gives back within itself on a GPU, which no counting of tensors sees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import nn

Workspace = Callable[[Any, Sequence[Any], Any], int]
"""Bytes of an operation's workspace, given the operation, its arguments and its output."""

EIGHT = 8
"""Channels of a convolution's result come in eights."""


def cudnn(operation: Any, args: Sequence[Any], output: Any) -> int:
    """Return the bytes of a convolution's copies of what it is given and returns; 0 for all else.

    Tensor cores convolve with the channels last. What comes with the channels first is turned, weights included, into
    memory of cuDNN's own, and the result is turned back. Convolutions by groups and of single places have kernels that
    do not. Within 1 % of what an H200's allocator gave (`benchmarks/results/memory-gpu.json`).

    Args:
        operation: the operation.
        args: its arguments.
        output: what it returned.
    """
    if operation is not torch.ops.aten.convolution.default:
        return 0
    given, weight, groups = args[0], args[1], args[8]
    form = torch.channels_last if given.ndim == 4 else torch.channels_last_3d
    single = weight.shape[2:].numel() == 1
    if groups > 1 or single or given.ndim not in (4, 5) or given.is_contiguous(memory_format=form):
        return 0
    channels = output.shape[1]
    return int(given.nbytes + weight.nbytes + output.nbytes // channels * -(-channels // EIGHT) * EIGHT)


def of(device: str) -> Workspace | None:
    """Return the workspaces of a type of device; None where there are none to speak of."""
    return cudnn if device == "cuda" else None


def unforeseen(device: str, modules: Iterable[nn.Module]) -> str | None:
    """Say why the workspaces of some modules cannot be told on a type of device; None if they can.

    Without tensor cores cuDNN takes whatever kernels it thinks fast: for slices of 8 MB, some with workspaces of 554 MB
    (an H200; within the predicted 112 MB with TF32, which is PyTorch's default).
    """
    if device != "cuda" or not _exact() or not any(map(_convolves_in_float32, modules)):
        return None
    return (
        "convolutions in float32 without TF32 may take far more memory within themselves than is planned for; "
        "convert the pipeline to bfloat16 or float16, or set torch.backends.cudnn.allow_tf32 = True"
    )


def _exact() -> bool:
    try:
        return not torch.backends.cudnn.allow_tf32
    except RuntimeError:  # it was set by the newer name
        return torch.backends.cudnn.conv.fp32_precision != "tf32"  # type: ignore[attr-defined,no-any-return,unused-ignore]


def _convolves_in_float32(module: nn.Module) -> bool:
    kinds = (nn.Conv2d, nn.Conv3d)
    return any(isinstance(part, kinds) and part.weight.dtype is torch.float32 for part in module.modules())
