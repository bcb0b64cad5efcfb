"""Streams of a CUDA device, for tensors that are made in one and used in another."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

import torch


class DeviceStreams:
    """The streams of a CUDA device. Without calls of `torch.cuda.stream` all threads compute in the same one.

    The memory of a tensor belongs to the stream in which it was made: once it is let go, that stream may write over it
    at once. So what is used in another stream is to be recorded there, besides that the other stream waits for it.

    Args:
        device: the device.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def current(self) -> Any:
        """Return the stream in which the calling thread computes."""
        return torch.cuda.current_stream(self.device)

    def within(self, stream: Any) -> AbstractContextManager[Any]:
        """Have the calling thread compute in a stream, within the context."""
        return torch.cuda.stream(stream)

    def record(self, tensors: Iterable[torch.Tensor], stream: Any) -> None:
        """Keep the memory of tensors, once they are let go, until a stream has done what it was given so far."""
        for tensor in tensors:
            if tensor.is_cuda:
                tensor.record_stream(stream)


def streams_of(device: torch.device) -> DeviceStreams | None:
    """Return the streams of a device; None for devices that have none."""
    return DeviceStreams(device) if device.type == "cuda" else None
