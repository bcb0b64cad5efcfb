"""The host tier: features of a CUDA device in pinned host memory, moved by streams beside the one that computes."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import torch

from .tier import Parked, strides


class HostTier:
    """Pinned host memory. One stream moves out and one in; the computing stream waits for them by events only.

    Pinned buffers are kept and used again: pinning is slow.

    Args:
        device: the CUDA device.
    """

    name = "host"

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.out: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.into: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._lock = threading.Lock()
        self._free: dict[int, list[torch.Tensor]] = {}

    def park(self, tensors: Sequence[torch.Tensor]) -> Parked:
        """Start moving a feature out."""
        return _OnHost(self, tensors)

    def close(self) -> None:
        """Give the pinned buffers back."""
        torch.cuda.current_stream(self.device).synchronize()
        self._free.clear()

    def buffer(self, size: int) -> torch.Tensor:
        """Pinned bytes."""
        with self._lock:
            if self._free.get(size):
                return self._free[size].pop()
        return torch.empty(size, dtype=torch.uint8, pin_memory=True)

    def leave(self, buffer: torch.Tensor) -> None:
        """Take back a buffer that is free again."""
        with self._lock:
            self._free.setdefault(buffer.numel(), []).append(buffer)


class _OnHost:
    """A feature in pinned memory."""

    def __init__(self, tier: HostTier, tensors: Sequence[torch.Tensor]) -> None:
        self._tier = tier
        self._leaving: list[torch.Tensor] | None = list(tensors)
        self._buffers: list[torch.Tensor] = []
        self._views: list[torch.Tensor] = []
        self._coming: list[torch.Tensor] | None = None
        self._stream = torch.cuda.current_stream(tier.device)
        """The stream that the feature's memory belongs to, here and when it comes back."""
        tier.out.wait_stream(self._stream)
        with torch.cuda.stream(tier.out):
            for tensor in tensors:
                buffer = tier.buffer(tensor.numel() * tensor.element_size())
                view = buffer.view(tensor.dtype).as_strided(tensor.shape, strides(tensor))
                view.copy_(tensor, non_blocking=True)
                self._buffers.append(buffer)
                self._views.append(view)
        self._left = tier.out.record_event()
        self._came: torch.cuda.Event | None = None

    def settle(self) -> float:
        if self._leaving is not None:
            # only then may its memory be used again, whichever stream lets go of it
            self._stream.wait_event(self._left)
            self._leaving = None
        return 0.0

    def fetch(self) -> None:
        if self._coming is None:
            tier = self._tier
            tensors = [torch.empty_strided(v.shape, v.stride(), dtype=v.dtype, device=tier.device) for v in self._views]
            tier.into.wait_stream(torch.cuda.current_stream(tier.device))  # their memory may still be in use there
            tier.into.wait_event(self._left)
            with torch.cuda.stream(tier.into):
                for tensor, view in zip(tensors, self._views, strict=True):
                    tensor.copy_(view, non_blocking=True)
            self._came = tier.into.record_event()
            self._coming = tensors

    def take(self) -> tuple[list[torch.Tensor], float]:
        self.fetch()
        assert self._coming is not None
        assert self._came is not None
        torch.cuda.current_stream(self._tier.device).wait_event(self._came)
        tensors, self._coming = self._coming, None
        return tensors, 0.0

    def drop(self) -> None:
        self.settle()
        if self._came is not None:
            self._stream.wait_event(self._came)
            self._tier.out.wait_event(self._came)  # whichever stream computes, the next copy out is to wait for it
        self._coming = None
        for buffer in self._buffers:
            self._tier.leave(buffer)
