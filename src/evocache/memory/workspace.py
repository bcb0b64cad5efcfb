"""What an operation takes and gives back within itself on a GPU, which no counting of tensors sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

Workspace = Callable[[Any, Sequence[Any], Any], int]
"""Bytes of an operation's workspace, given the operation, its arguments and its output."""

EIGHT = 8
"""Channels of a convolution's result come in eights."""


def cudnn(operation: Any, args: Sequence[Any], output: Any) -> int:
    """Of a convolution, copies of what it is given and returns; of all else nothing.

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
    """The workspaces of a type of device; None where there are none to speak of."""
    return cudnn if device == "cuda" else None
