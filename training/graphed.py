"""A loss and its gradients as one CUDA graph: thousands of small launches become one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[..., Tensor]

WARM = 3
"""Runs before the capture, in which libraries set up what they keep."""


class Graphed:
    """`loss(*inputs)` and its backward pass, captured at inputs of one size; called like the loss.

    Gradients are added to those that are there, into the same memory. Random numbers drawn on the device differ from
    call to call, as outside a graph. What is returned is overwritten by the next call.

    Args:
        loss: of tensors on a GPU; it may not look at their values.
        inputs: tensors of the sizes to come.

    Raises:
        RuntimeError: if the loss cannot be captured.
    """

    def __init__(self, loss: Loss, inputs: tuple[Tensor, ...]) -> None:
        self._inputs = [value.clone() for value in inputs]
        beside, here = torch.cuda.Stream(), torch.cuda.current_stream()
        beside.wait_stream(here)
        with torch.cuda.stream(beside):
            for _ in range(WARM):
                loss(*self._inputs).backward()
        here.wait_stream(beside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._loss = loss(*self._inputs)
            self._loss.backward()

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The loss, whose gradients have been added."""
        for mine, given in zip(self._inputs, inputs, strict=True):
            mine.copy_(given)
        self._graph.replay()
        return self._loss


def backward(loss: Loss) -> Loss:
    """The same as `Graphed`, launch by launch."""

    def both(*inputs: Tensor) -> Tensor:
        value = loss(*inputs)
        value.backward()
        return value.detach()

    return both
